-- first: the value that was written first, by the writers' clocks: who comes first has it.
--
-- Useful for claims ("I take this ticket"). Writes of the same millisecond go by the changeset's id.
local on = { "*" } -- copy this file and name fields to narrow it: { "ticket.owner" }

local function earlier(a, b)
  if a.time.ms ~= b.time.ms then return a.time.ms < b.time.ms end
  return a.changeset < b.changeset
end

local function vote(c)
  local best = c.candidates[1]
  for _, cand in ipairs(c.candidates) do
    if earlier(cand, best) then best = cand end
  end
  return best, "written first"
end

return { name = "first", version = 1, on = on, vote = vote }
