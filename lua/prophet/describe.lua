--- describe: how changesets and what is in them are written for people.

local format = require "prophet.format"

local M = {}

local MOST = 60 -- characters of a text

local function short(v)
  if v == nil then return "nothing" end
  local text = format.plain(v)
  if type(v) == "string" then text = ("%q"):format(format.apart({ text }, MOST)[1]) end
  return text
end

-- Two values with something between them: of long texts the part that differs.
local function both(old, new, between)
  between = between or " -> "
  if type(old) ~= "string" or type(new) ~= "string" then return short(old) .. between .. short(new) end
  local texts = format.apart({ format.plain(old), format.plain(new) }, MOST)
  return ("%q%s%q"):format(texts[1], between, texts[2])
end

-- Is another value shown than was written, beside others in conflict? Then old and new do not tell what was written.
local function lost(step)
  if step.op == "unset" then return step.new ~= nil end
  if step.op ~= "set" or step.value == nil or step.value == step.new then return false end
  return type(step.value) == "string" and type(step.new) == "string" or format.plain(step.value) ~= format.plain(step.new)
end

--- The first line of a changeset: its version, when, who, why.
---@param c table
---@return string
function M.head(c)
  local parts = { ("%d"):format(c.version), tostring(c.time) }
  parts[#parts + 1] = c.author or ("replica " .. tostring(c.replica or "?"):sub(1, 8))
  if c.message then parts[#parts + 1] = format.plain(c.message) end
  return table.concat(parts, "  ")
end

--- One operation of a record's history.
---@param step table
---@return string
function M.step(step)
  local name = step.field == "life" and "record" or step.field
  if step.op == "add" then return ("%s + %s"):format(name, short(step.value ~= nil and step.value or step.new)) end
  if step.op == "remove" then return ("%s - %s"):format(name, short(step.value ~= nil and step.value or step.old)) end
  if step.op == "incr" or step.op == "inc" then return ("%s by %s"):format(name, short(step.value ~= nil and step.value or step.new)) end
  if lost(step) then
    return ("%s: %s"):format(name, step.op == "set" and both(step.value, step.new, " written, shown ") or "unset, shown " .. short(step.new))
  end
  if step.op == "unset" then return ("%s unset, was %s"):format(name, short(step.old)) end
  if step.old == nil then return ("%s: %s"):format(name, short(step.new)) end
  return ("%s: %s"):format(name, both(step.old, step.new))
end

--- What one field differs in.
---@param change table
---@return string
function M.difference(change)
  local name = change.life and "record" or change.field
  if change.life then return ("%s: %s"):format(name, change.new == "dead" and "deleted" or "created") end
  return ("%s: %s"):format(name, both(change.old, change.new))
end

--- One vote.
---@param vote table
---@return string
function M.vote(vote)
  local text = ("vote on %s for %s by %s"):format(vote.field == "" and "life" or vote.field or "?",
    vote.unset and "removal" or short(vote.value), vote.resolver or vote.by or "person")
  return vote.reason and text .. ": " .. format.plain(vote.reason) or text
end

-- A voter: a person by name, a resolver by its own and that of whose replica asked it.
local function voter(vote)
  local who = vote.author or ("replica " .. tostring(vote.replica):sub(1, 8))
  if vote.by == "resolver" then who = ("%s of %s"):format(tostring(vote.resolver):match "^(.*)@%x+$" or tostring(vote.resolver), who) end
  return vote.reason and ("%s: %s"):format(who, format.plain(vote.reason)) or who
end

--- Who decided what a field in conflict shows; nil: it is in none.
---@param blamed table  of record:blame
---@return string?
function M.decided(blamed)
  if blamed.rule then return "by rule " .. blamed.rule end
  if not blamed.votes then return nil end
  local voters = {}
  for i, vote in ipairs(blamed.votes) do voters[i] = voter(vote) end
  return "by votes of " .. table.concat(voters, "; ")
end

-- Definitions of record types are long, and read better with `prophet schema show`.
local function definition(change)
  local name = change.fields and change.fields.name
  local what = name and name.set or tostring(change.record):sub(-8)
  return ("record type %s %s"):format(what, change.action == "create" and "defined" or "extended")
end

--- One change of a changeset: the record, and what was done to its fields.
---@param change table
---@return string
function M.change(change)
  if change.type == "_type" and change.action ~= "delete" then return definition(change) end
  local names, parts = {}, {}
  for name in pairs(change.fields or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local op = change.fields[name]
    if op.set ~= nil then parts[#parts + 1] = ("%s = %s"):format(name, short(op.set)) end
    if op.unset then parts[#parts + 1] = name .. " unset" end
    if op.inc then parts[#parts + 1] = ("%s by %s"):format(name, short(op.inc)) end
    for _, v in ipairs(op.add or {}) do parts[#parts + 1] = ("%s + %s"):format(name, short(type(v) == "table" and v.value or v)) end
    for _, v in ipairs(not op.inc and op.remove or {}) do parts[#parts + 1] = ("%s - %s"):format(name, short(type(v) == "table" and v.value or v)) end
  end
  local reserved = change.type:sub(1, 1) == "_" -- its records have no numbers for people
  local record = not reserved and change.number and "#" .. change.number or tostring(change.record):sub(-8)
  local line = ("%s %s %s"):format(change.type, record, change.action)
  return #parts > 0 and line .. ": " .. table.concat(parts, ", ") or line
end

return M
