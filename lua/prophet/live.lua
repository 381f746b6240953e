--- live: live syncs in the background. Nothing runs by itself: db:poll and db:run let each do what is due.

local e = require "prophet.error"
local report = require "prophet.report"
local strict = require "prophet.strict"
local types = require "prophet.types"

local M = {}

local LIVE = {} -- the key of what is private
local methods = {}
local shown = { other = true, lost = true }
local mt = { __name = "prophet.live", __newindex = strict.frozen "a live sync" }

function mt.__index(live, name)
  if methods[name] then return methods[name] end
  if shown[name] then return live[LIVE][name] end
  return strict.unknown("a live sync", name, { methods, shown })
end

function mt.__tostring(live)
  local l = live[LIVE]
  return ("prophet.live %s%s"):format(l.other, not l.core and " (closed)" or l.lost and " (lost)" or "")
end

--- Ends it; fine when it has ended, and from `synced` and `lost`.
function methods.close(live)
  local l = live[LIVE]
  for i, other in ipairs(l.list) do
    if other == l then table.remove(l.list, i) break end
  end
  if l.stepping then
    l.ending = true -- who calls it closes it
  elseif l.core then
    l.core:close()
    l.core = nil
  end
end
mt.__close = methods.close

-- Who is told; what they raise does not end it.
local function tell(l, event)
  types.refresh(l.s)
  l.lost = event.error and e.new(event.error) or nil
  local fn, goes_on = l.fns[event.error and "lost" or "synced"], nil
  if fn and not l.ending then
    l.telling = true
    if event.error then goes_on = fn(l.lost, event.seconds) else goes_on = fn(report.new(event)) end
    l.telling = false
  end
  return goes_on ~= false and not l.ending
end

local function step(l)
  if l.stepping or not l.core then return end -- by who is told
  l.stepping, l.telling = true, false
  local ok, goes_on = pcall(l.core.step, l.core, function(event) return tell(l, event) end)
  l.stepping = false
  local stays, code = goes_on, not ok and e.wrap(goes_on).code
  if not ok then stays = l.telling or code == "interrupted" or l.begun and code == "usage" end -- "usage": called at a wrong moment
  l.begun = l.begun or ok
  if l.ending or not stays then methods.close(l.live) end
  if not ok then error(goes_on, 0) end
end

--- db:sync with background = true: what cannot be is raised at once.
---@param s table  the database's state
---@param other string
---@param options table  of the exchange
---@param fns { synced: function?, lost: function? }
---@return table live
function M.open(s, other, options, fns)
  local l = { s = s, other = other, fns = fns, list = s.lives, core = s.handle:live(other, options) }
  l.live = setmetatable({ [LIVE] = l }, mt)
  table.insert(s.lives, l)
  step(l)
  return l.live
end

--- Does what is due.
function M.step(s)
  for _, l in ipairs { table.unpack(s.lives) } do step(l) end
end

--- Waits until there is a changeset after `version`, a live sync has something to do, or `ms` passed, or earlier; below 0: as long as it likes.
function M.wait(s, version, ms)
  local n = #s.lives
  if n == 1 then return s.lives[1].core:wait(version, ms) end -- one question, which is held
  s.handle:wait(version, n == 0 and ms or ms < 0 and 1000 or math.min(ms, 1000))
end

return M
