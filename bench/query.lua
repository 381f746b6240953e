-- The indexed question from Lua: all records of a group, two fields read of each.
-- Usage: prophet-lua bench/query.lua DIR GROUP TIMES; prints the seconds, then the rows of one.
local prophet = require "prophet"

local path, group, times = arg[1], arg[2], math.tointeger(arg[3])
local db <close> = prophet.open(path, { readonly = true })
local ticket = db.types.ticket

local function ask()
  local rows, sum = 0, 0
  for t in ticket:find { grp = group }:each() do
    rows, sum = rows + 1, sum + t.due + #t.status
  end
  return rows, sum
end

local rows = ask()
local start = prophet.now()
for _ = 1, times do rows = ask() end
print((prophet.now().ms - start.ms) / 1000, rows)
