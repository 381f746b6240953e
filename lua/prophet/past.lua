--- past: the fields of a record as they were when a version was new, by going back through its history. Asked by the C side for a record that
-- was made in a change, not looked at, and changed by others since (record_lazy.c).

local core = require "prophet.core"
local e = require "prophet.error"

local HANDLE, NAME = 1, 2

---@param ts table
---@param id string
---@param version integer
---@return table fields
return function(ts, id, version)
  local now = ts[HANDLE]:get(ts, id, true)
  if not now then
    e.raise { code = "not_found", type = ts[NAME], record = id, message = "this record was never written: its change was taken back" }
  end
  local fields, steps = now:fields(), {}
  for step in ts[HANDLE]:history(now) do steps[#steps + 1] = step end
  for i = #steps, 1, -1 do
    if steps[i].version <= version then break end
    for _, change in ipairs(steps[i].changes or {}) do
      if not change.life then fields[change.field] = change.old end
    end
  end
  for name, value in pairs(fields) do
    local field = ts.fields[name]
    if field and field.kind == "ref" and type(value) == "string" then fields[name] = core.ref(value) end
  end
  return fields
end
