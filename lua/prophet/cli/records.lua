--- records: how records are shown.

local format = require "prophet.format"
local values = require "prophet.cli.values"

local M = {}

--- What --json prints of a record.
---@param record table
---@return table
function M.plain(record)
  return { type = record.type, record = record.id, n = record.n, version = record.version, fields = record:fields() }
end

--- A name of a template: a field, or a path along references.
---@param record table
---@return fun(name: string): any
function M.getter(record)
  return function(name)
    local value = record
    for part in name:gmatch "[^.]+" do
      if value == nil then return nil end
      value = value[part]
    end
    return value
  end
end

--- Makes or changes a record in one change, and shows it in one line; what cannot be shown as --format wants it is not written.
---@param ctx table
---@param db table
---@param verb string  what is done to it
---@param write fun(): table  gives the record
function M.write(ctx, db, verb, write)
  M.line(ctx, ctx:change(db, ctx.options.message, function()
    local record = write()
    ctx:try_format(M.getter(record))
    return record
  end), verb)
end

--- One line of a record: as its type's summary says.
---@param ctx table
---@param record table
---@param verb? string  what was done to it, or would be
function M.line(ctx, record, verb)
  ctx:did(verb, function() return M.plain(record) end, function() return tostring(record) end, M.getter(record))
end

--- All of a record.
---@param ctx table
---@param record table
---@param of table  its type
function M.whole(ctx, record, of)
  ctx:result(function() return M.plain(record) end, function()
    local by_name, names = values.fields(of)
    local lines, widest = { ("%s #%d  %s"):format(record.type, record.n, record.id) }, 0
    for _, name in ipairs(names) do widest = math.max(widest, #name) end
    local later = {}
    for _, name in ipairs(names) do
      local field = by_name[name]
      if field.kind ~= "many" and not field.hidden then
        local value = record:get(name)
        local text = format.plain(value)
        if field.kind == "text" and type(value) == "string" and value:find "\n" then
          later[#later + 1] = ("\n%s\n%s"):format(name, value)
        elseif text ~= "" then
          lines[#lines + 1] = ("  %-" .. widest .. "s  %s"):format(name, text)
        end
      end
    end
    table.move(later, 1, #later, #lines + 1, lines)
    return table.concat(lines, "\n")
  end, M.getter(record))
end

return M
