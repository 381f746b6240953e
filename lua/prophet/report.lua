--- report: what a pull, a check or a poll has to say, as an object that prints in one line.

local M = {}

local function count(n, one, many)
  return ("%d %s"):format(n, n == 1 and one or many or one .. "s")
end

local function size_of(v)
  return type(v) == "table" and #v or v or 0
end

local exchange_mt = { __name = "prophet.report" }

local function one_way(r, said)
  local parts = {}
  if (r.changesets or 0) == 0 then
    parts[1] = not r.mended and "nothing new" or nil
  else
    local replicas = size_of(r.replicas)
    parts[1] = count(r.changesets, "changeset") .. (replicas > 0 and " from " .. count(replicas, "replica") or "")
  end
  if r.mended then parts[#parts + 1] = count(r.mended, "changeset") .. " given back that damage had taken" end
  if (r.conflicts or 0) > 0 then
    parts[#parts + 1] = count(r.conflicts, "conflict") .. ((r.decided or 0) > 0 and (" (%d decided by votes)"):format(r.decided) or "")
  end
  if (r.votes or 0) > 0 then parts[#parts + 1] = count(r.votes, "vote") end
  if (r.abstained or 0) > 0 then parts[#parts + 1] = count(r.abstained, "abstention") end
  if size_of(r.new_writers) > 0 then parts[#parts + 1] = count(size_of(r.new_writers), "new writer") end
  if (r.forks or 0) > 0 then parts[#parts + 1] = count(r.forks, "fork") end
  if (r.unsigned or 0) > 0 then parts[#parts + 1] = r.unsigned .. " unsigned" end
  if r.seconds then parts[#parts + 1] = ("%.1f s"):format(r.seconds) end
  return (r.dry_run and not said and "would bring " or "") .. table.concat(parts, ", ") .. (r.notice and "; " .. r.notice or "")
end

function exchange_mt.__tostring(r)
  if r.pull or r.push then
    local said = {}
    for _, way in ipairs { "pull", "push" } do -- a push that failed has no report
      if r[way] then said[#said + 1] = (r[way].dry_run and "would %s " or "%sed "):format(way) .. one_way(r[way], true) end
    end
    return table.concat(said, "; ")
  end
  return one_way(r)
end

--- The report of a pull, push, sync or clone.
---@param r table
---@return table
function M.new(r)
  if r.pull then setmetatable(r.pull, exchange_mt) end
  if r.push then setmetatable(r.push, exchange_mt) end
  return setmetatable(r, exchange_mt)
end

--- Is this such a report?
---@param value any
---@return boolean
function M.is(value)
  return getmetatable(value) == exchange_mt
end

local bundle_mt = {
  __name = "prophet.report",
  __tostring = function(r)
    return ("%s, %s%s"):format(count(r.changesets, "changeset"), count(r.bytes, "byte"),
      (r.unsigned or 0) > 0 and (", %d left out: being written"):format(r.unsigned) or "")
  end,
}

--- What went into a bundle.
---@param r table
---@return table
function M.bundle(r)
  return setmetatable(r, bundle_mt)
end

local check_mt = {
  __name = "prophet.check",
  __tostring = function(r)
    local lines = { ("%s, %s: %s"):format(count(r.changesets or 0, "changeset"), count(r.records or 0, "record"),
      (r.faults or 0) == 0 and "sound" or count(r.faults, "fault")) }
    for _, note in ipairs(r.notes or {}) do lines[#lines + 1] = (note.fault and "fault: " or "note: ") .. note.text end
    return table.concat(lines, "\n")
  end,
}

--- The report of a check; `ok` is true when there are no faults.
---@param r table
---@return table
function M.check(r)
  r.ok = (r.faults or 0) == 0
  return setmetatable(r, check_mt)
end

local poll_mt = {
  __name = "prophet.poll",
  __tostring = function(r)
    return ("%s asked, %s, %s"):format(count(r.asked or 0, "conflict"), count(r.voted or 0, "vote"), count(r.abstained or 0, "abstention"))
  end,
}

--- Why resolvers abstained where they gave a reason or failed: a list of texts.
---@param notes table?  of a pull or a poll
---@return string[]
function M.abstentions(notes)
  local out = {}
  for _, note in ipairs(notes or {}) do
    if note.outcome == "abstained" and (note.reason or "") ~= "" then
      out[#out + 1] = ("resolver %s abstained on %s.%s: %s"):format(note.resolver:match "^[^@]*", note.type, note.field, note.reason)
    end
  end
  return out
end

--- The report of a poll.
---@param r table
---@return table
function M.poll(r)
  r.asked, r.voted, r.abstained, r.notes = r.asked or 0, r.voted or 0, r.abstained or 0, r.notes or {}
  return setmetatable(r, poll_mt)
end

return M
