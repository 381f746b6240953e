-- majority: the value that most writers wrote, if one has more than any other.
--
-- It counts the concurrent writes that hold each value, so it has something to say when three or more
-- replicas met; two against each other are left to people.
local on = { "*" } -- copy this file and name fields to narrow it: { "ticket.component" }

local function vote(c)
  local best, most, tied = nil, 0, false
  for _, cand in ipairs(c.candidates) do
    local count = cand.changesets and #cand.changesets or 1
    if count > most then
      best, most, tied = cand, count, false
    elseif count == most then
      tied = true
    end
  end
  if tied then return c:ask("no value has more writers than the others") end
  return best, "most writers wrote it"
end

return { name = "majority", version = 1, on = on, vote = vote }
