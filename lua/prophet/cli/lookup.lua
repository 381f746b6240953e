--- lookup: from what people type on a command line to records and conflicts.

local e = require "prophet.error"

local M = {}

--- Names of the types of a database, sorted.
---@param db table
---@return string[]
function M.types(db)
  local names = {}
  for name in pairs(db.types) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- A type by its name; unknown ones raise `unknown_type`.
---@param db table
---@param name string
---@return table
function M.type(db, name)
  return db.types[name]
end

--- A record by "#12", its id, or a unique tail of it; `type` nil: whatever its type is.
---@param db table
---@param type string?
---@param name string
---@param deleted? boolean  deleted ones too
---@return table record
function M.record(db, type, name, deleted)
  local first, rest = name:match "^([a-z_][a-z0-9_]*)(#%d+)$" -- ticket#12
  if first then type, name = first, rest end
  if type then
    return deleted and db.types[type]:get(name, { deleted = true }) or db.types[type]:must(name)
  end
  local found
  for _, each in ipairs(M.types(db)) do
    local record = db.types[each]:get(name, { deleted = deleted })
    if record and found then
      e.raise { code = "ambiguous", message = ("%q names a %s and a %s"):format(name, found.type, record.type), value = name,
        hint = "write more of the id" }
    end
    found = found or record
  end
  if found then return found end
  local dead = not deleted and e.try(M.record, db, nil, name, true)
  if dead then
    e.raise { code = "not_found", type = dead.type, record = dead.id, value = name, message = ("%s %s is deleted"):format(dead.type, name),
      hint = "prophet history shows who did it" }
  end
  e.raise { code = "not_found", message = ("no record %q"):format(name), value = name, hint = "as in '#12', in quotes, or an id, or its end" }
end

-- An open conflict of one field of a record.
local function conflict_of(db, record, field)
  if field and field ~= "life" then record:get(field) end -- raises unknown_field
  local found = {}
  for c in db:conflicts { type = record.type, status = "open" } do
    if c.record == record.id and (not field or c.field == field) then found[#found + 1] = c end
  end
  if #found == 1 then return found[1] end
  local what = ("%s #%d"):format(record.type, record.n)
  if #found == 0 then
    e.raise { code = "not_found", message = ("no open conflict of %s%s"):format(what, field and " " .. field or ""),
      hint = "prophet conflicts lists them" }
  end
  local fields = {}
  for i, c in ipairs(found) do fields[i] = c.field end
  e.raise { code = "ambiguous", message = ("%s has %d open conflicts"):format(what, #found),
    hint = "name a field: " .. table.concat(fields, ", ") }
end

--- An open conflict by the start of its id, or by a record and a field: "#12.status", "#12".
---@param db table
---@param name string
---@return table conflict
function M.conflict(db, name)
  local record, field = name:match "^(.*#%d+)[.:]?([a-z_][a-z0-9_]*)$"
  if not record then record = name:match "^.*#%d+$" end
  if record then return conflict_of(db, M.record(db, nil, record, true), field ~= "" and field or nil) end
  local found = name:find "^%x+$" and db:conflict(name:lower())
  if found then return found end
  e.raise { code = "not_found", message = ("no open conflict %q"):format(name), value = name,
    hint = "prophet conflicts lists them; #12.status names one by its record" }
end

return M
