--- script_db: the global `db` of a script that was given no --db: opened when it is first asked for, where commands find theirs.

local context = require "prophet.cli.context"
local e = require "prophet.error"

--- The database, or nil: there is none here.
---@return table?
return function()
  local prophet = require "prophet"
  local place, why = e.try(context.database, os.getenv)
  if place then return prophet.open(place) end
  if why.code ~= "not_found" then error(why, 0) end
  return nil
end
