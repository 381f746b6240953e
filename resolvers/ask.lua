-- ask: leaves every conflict to people, and keeps resolvers that come after it from answering.
--
-- Until somebody votes or resolves it, the field shows what its rule says, and the conflict is listed as open.
local on = { "*" } -- copy this file and name the fields people should decide: { "ticket.owner" }

local function vote(c)
  return c:ask("left to people")
end

return { name = "ask", version = 1, on = on, vote = vote }
