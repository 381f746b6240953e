--- conflict_plain: a conflict as a plain table, for --json.

local M = {}

local function votes_of(conflict)
  local out = {}
  for vote in conflict:votes() do
    out[#out + 1] = { replica = vote.replica, by = vote.by, value = vote.value, unset = vote.unset, reason = vote.reason,
      resolver = vote.resolver, counts = vote.counts, replaced = vote.replaced }
  end
  return out
end

local function candidates_of(conflict)
  local out = {}
  for i, cand in ipairs(conflict.candidates) do
    out[i] = { value = cand.value, unset = cand.unset, author = cand.author, time = cand.time, replica = cand.replica,
      changeset = cand.changeset }
  end
  return out
end

--- What --json prints of a conflict.
---@param c table
---@return table
function M.of(c)
  local outcome = c.outcome
  return { id = c.id, type = c.type, record = c.record, field = c.field, status = c.status, decided = c.decided, base = c.base,
    candidates = candidates_of(c), votes = votes_of(c),
    outcome = outcome and { value = outcome.value, unset = outcome.unset, decided_by = outcome.decided_by } }
end

return M
