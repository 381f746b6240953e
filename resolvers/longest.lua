-- longest: the longest text (in bytes) or list: who wrote more, most likely knew more.
--
-- Of equally long ones the later by the writers' clocks, then by the changeset's id.
local on = { "*" } -- copy this file and name fields to narrow it: { "ticket.summary" }

local function length(cand)
  if cand.unset then return -1 end
  if type(cand.value) == "string" then return #cand.value end
  if type(cand.value) ~= "table" then return nil end
  for k in pairs(cand.value) do
    if type(k) ~= "number" then return nil end -- a map
  end
  return #cand.value
end

local function later(a, b)
  if a.time.ms ~= b.time.ms then return a.time.ms > b.time.ms end
  return a.changeset > b.changeset
end

local function vote(c)
  local best, most
  for _, cand in ipairs(c.candidates) do
    local long = length(cand)
    if not long then return nil, "neither texts nor lists" end
    if not best or long > most or long == most and later(cand, best) then best, most = cand, long end
  end
  return best, "the longest"
end

return { name = "longest", version = 1, on = on, vote = vote }
