--- format: one-line templates such as "#{n} {status:7} {summary}".
--
-- `{name}` is replaced by a value, `{name:7}` pads or keeps it to at least 7 columns, `{name:-7}` to the
-- right, `{name:.20}` cuts it at 20 columns, `{name:7.7}` does both. `{{` and `}}` are braces. A name may be a path along references
-- (`milestone.name`). Used by record summaries and by `prophet --format`.

local e = require "prophet.error"

local M = {}

local function fail(template, at, message)
  e.raise { code = "usage", message = ("format %q: %s at byte %d"):format(template, message, at), value = template,
    hint = 'as in "#{n} {status:7} {summary}"' }
end

--- Takes a template apart: a list of `{ text = }` and `{ name =, width =, right =, cut = }`.
---@param template string
---@return table[]
function M.parse(template)
  local parts, text, at = {}, {}, 1
  local function flush()
    if #text > 0 then parts[#parts + 1], text = { text = table.concat(text) }, {} end
  end
  while at <= #template do
    local brace = template:find("[{}]", at)
    if not brace then
      text[#text + 1] = template:sub(at)
      break
    end
    text[#text + 1] = template:sub(at, brace - 1)
    local char = template:sub(brace, brace)
    if template:sub(brace + 1, brace + 1) == char then
      text[#text + 1] = char
      at = brace + 2
    elseif char == "}" then
      fail(template, brace, "a } without its {")
    else
      local stop = template:find("}", brace, true)
      if not stop then fail(template, brace, "a { without its }") end
      local name, spec = template:sub(brace + 1, stop - 1):match("^([%a_][%w_.]*)(.*)$")
      if not name then fail(template, brace, "no name between the braces") end
      local minus, width, cut = spec:match("^:(%-?)(%d*)%.?(%d*)$")
      if spec ~= "" and not minus then fail(template, brace, "a width that is no number") end
      flush()
      parts[#parts + 1] = { name = name, width = tonumber(width or ""), cut = tonumber(cut or ""), right = minus == "-" }
      at = stop + 1
    end
  end
  flush()
  return parts
end

--- Columns of a text, near enough: characters. Bytes when it is not UTF-8.
---@param text string
---@return integer
function M.columns(text)
  return utf8.len(text) or #text
end

--- The first `count` characters.
---@param text string
---@param count integer
---@return string
function M.cut(text, count)
  if M.columns(text) <= count then return text end
  local stop = utf8.len(text) and utf8.offset(text, count + 1) or count + 1
  return text:sub(1, stop - 1)
end

-- `most` characters of a text behind the first `skip`: two dots where something is left out.
local function window(text, skip, most)
  local rest = skip > 0 and text:sub(utf8.offset(text, skip + 1)) or text
  local shown = M.cut(rest, most)
  return (skip > 0 and ".." or "") .. shown .. (#shown < #rest and ".." or "")
end

-- How many characters these texts begin with alike.
local function alike(texts)
  local first, low = texts[1], #texts[1]
  for i = 2, #texts do
    local from, to = 0, math.min(low, #texts[i])
    while from < to do
      local middle = (from + to + 1) // 2
      if first:sub(1, middle) == texts[i]:sub(1, middle) then from = middle else to = middle - 1 end
    end
    low = from
  end
  while low > 0 and low < #first and first:byte(low + 1) & 0xc0 == 0x80 do low = low - 1 end -- not inside a character
  return utf8.len(first, 1, utf8.offset(first, 0, low + 1) - 1)
end

--- Texts that are to be told apart (a value before and after), each cut to about `most` characters: where they begin alike for longer than that,
-- they are shown from shortly before the first difference. Texts are UTF-8, as `plain` gives them.
---@param texts string[]
---@param most integer
---@return string[]
function M.apart(texts, most)
  local same = #texts > 1 and alike(texts) or 0
  local skip, out = same > most * 2 // 3 and same - most // 3 or 0, {}
  for _, text in ipairs(texts) do
    if M.columns(text) > most then goto cut end
  end
  skip = 0
  ::cut::
  for i, text in ipairs(texts) do out[i] = window(text, skip, most) end
  return out
end

--- One value as a person reads it; absent is empty, a list is joined by commas.
---@param v any
---@return string
function M.plain(v)
  if v == nil then return "" end
  if type(v) == "table" and not getmetatable(v) then
    local out = {}
    for i, item in ipairs(v) do out[i] = M.plain(item) end
    if #out == 0 then
      local keys = {}
      for k in pairs(v) do keys[#keys + 1] = tostring(k) end
      table.sort(keys)
      for i, k in ipairs(keys) do out[i] = k .. "=" .. M.plain(v[k]) end
    end
    return table.concat(out, ",")
  end
  local text = tostring(v)
  if not utf8.len(text) then return ("(%d bytes)"):format(#text) end
  return (text:gsub("%c", function(c) return c == "\n" and " " or "?" end))
end

local function pad(text, part)
  if part.cut then text = M.cut(text, part.cut) end
  local room = (part.width or 0) - M.columns(text)
  if room <= 0 then return text end
  return part.right and (" "):rep(room) .. text or text .. (" "):rep(room)
end

--- Fills a template. `get(name)` gives the value of a name.
---@param template string|table[]  a text, or what parse gave
---@param get fun(name: string): any
---@return string
function M.render(template, get)
  local parts = type(template) == "string" and M.parse(template) or template
  local out = {}
  for i, part in ipairs(parts) do
    out[i] = part.text or pad(M.plain(get(part.name)), part)
  end
  return (table.concat(out):gsub("%s+$", ""))
end

return M
