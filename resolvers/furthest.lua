-- furthest: the value that is furthest along a workflow.
--
-- Copy this file into your own resolvers and write your steps, least first, and your field:
local order = { "new", "open", "stalled", "closed" }
local on = { "ticket.status" }

local rank = {}
for i, value in ipairs(order) do rank[value] = i end

local function vote(c)
  local best, best_rank = nil, 0
  for _, cand in ipairs(c.candidates) do
    local this = not cand.unset and rank[cand.value] or 0
    if this > best_rank then best, best_rank = cand, this end
  end
  if not best then return nil, "no step of the workflow among them" end
  return best, "furthest along the workflow"
end

return { name = "furthest", version = 1, on = on, vote = vote }
