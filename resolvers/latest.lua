-- latest: the value that was written last, by the writers' clocks.
--
-- Clocks can be wrong; the rule `latest` (which decides where nobody votes) goes by what each writer had
-- seen instead. Writes of the same millisecond go by the changeset's id.
local on = { "*" } -- copy this file and name fields to narrow it: { "ticket.status", "comment.*" }

local function later(a, b)
  if a.time.ms ~= b.time.ms then return a.time.ms > b.time.ms end
  return a.changeset > b.changeset
end

local function vote(c)
  local best = c.candidates[1]
  for _, cand in ipairs(c.candidates) do
    if later(cand, best) then best = cand end
  end
  return best, "written last"
end

return { name = "latest", version = 1, on = on, vote = vote }
