--- csv: comma-separated values, as RFC 4180 has them.

local e = require "prophet.error"
local format = require "prophet.format"
local strict = require "prophet.strict"

local M = {}

local known = { separator = true, header = true, columns = true }

local function separator_of(options)
  local s = options.separator or ","
  if type(s) ~= "string" or #s ~= 1 or s == '"' or s == "\n" or s == "\r" then
    e.raise { code = "usage", message = "the separator of CSV is one character", value = s }
  end
  return s
end

local function fault(text, at, why)
  local _, line = text:sub(1, at - 1):gsub("\n", "")
  e.raise { code = "validation", message = ("CSV: %s, in line %d"):format(why, line + 1) }
end

-- A field in quotes that begins at `at`: its text, and where it ends.
local function quoted(text, at)
  local parts, from = {}, at + 1
  while true do
    local close = text:find('"', from, true)
    if not close then fault(text, at, "a quote without its end") end
    parts[#parts + 1] = text:sub(from, close - 1)
    if text:sub(close + 1, close + 1) ~= '"' then return table.concat(parts), close + 1 end
    parts[#parts + 1] = '"'
    from = close + 2
  end
end

local function rows_of(text, separator)
  local rows, row, at, size = {}, {}, 1, #text
  local stop = "[" .. (separator:find "[%^%]%%%-]" and "%" or "") .. separator .. "\r\n]"
  while at <= size do
    local field
    if text:sub(at, at) == '"' then
      field, at = quoted(text, at)
    else
      local finish = text:find(stop, at) or size + 1
      field, at = text:sub(at, finish - 1), finish
    end
    row[#row + 1] = field
    local c = text:sub(at, at)
    if c == separator then
      at = at + 1
      if at > size then row[#row + 1] = "" end
    elseif c == "" or c == "\n" or c == "\r" then
      if c == "\r" and text:sub(at + 1, at + 1) == "\n" then at = at + 1 end
      at = at + 1
      rows[#rows + 1], row = row, {}
    else
      fault(text, at, "text after a quote")
    end
  end
  if #row > 0 then rows[#rows + 1] = row end
  return rows
end

--- Reads CSV. With header (as without saying): a list of tables by the names in the first line; header = false: a list of lists.
---@param text string
---@param options? table  separator, header
---@return table[] rows
---@return string[]? columns
function M.decode(text, options)
  if type(text) ~= "string" then e.raise { code = "usage", message = ("CSV is a %s, not a text"):format(type(text)) } end
  options = strict.options("csv.decode", options, known)
  if text:sub(1, 3) == "\xEF\xBB\xBF" then text = text:sub(4) end
  local rows = rows_of(text, separator_of(options))
  if options.header == false then return rows end
  local columns = table.remove(rows, 1) or {}
  for i, row in ipairs(rows) do
    if #row > #columns then
      e.raise { code = "validation", message = ("CSV: row %d has %d fields, the header %d"):format(i, #row, #columns) }
    end
    local named = {}
    for k, name in ipairs(columns) do named[name] = row[k] end
    rows[i] = named
  end
  return rows, columns
end

local function cell(v, separator)
  local text = format.plain(v)
  if type(v) == "string" then text = v end
  if text:find('["\r\n]') or text:find(separator, 1, true) then return '"' .. text:gsub('"', '""') .. '"' end
  return text
end

--- Writes rows (tables by name, or lists) as CSV.
---@param rows table[]
---@param options? table  separator, columns (their order), header = false
---@return string
function M.encode(rows, options)
  options = strict.options("csv.encode", options, known)
  local separator, columns, lines = separator_of(options), options.columns, {}
  if not columns and rows[1] and #rows[1] == 0 then
    columns = {}
    for name in pairs(rows[1]) do columns[#columns + 1] = name end
    table.sort(columns)
  end
  local function line(values, n)
    local cells = {}
    for i = 1, n do cells[i] = cell(values[i], separator) end
    lines[#lines + 1] = table.concat(cells, separator) .. "\r\n"
  end
  if columns and options.header ~= false then line(columns, #columns) end
  for _, row in ipairs(rows) do
    local values, n = row, #row
    if columns and n == 0 then
      values, n = {}, #columns
      for i, name in ipairs(columns) do values[i] = row[name] end
    end
    line(values, n)
  end
  return table.concat(lines)
end

return M
