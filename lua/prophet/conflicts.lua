--- conflicts: conflicts as objects: what the values are, who wrote them, who voted for what; voting and resolving.

local core = require "prophet.core"
local e = require "prophet.error"
local format = require "prophet.format"
local log = require "prophet.log"
local strict = require "prophet.strict"

local M = {}

local PRIVATE = {} -- the key of what is private: the database's state, and the votes
local methods = {}
local members = { id = true, type = true, record = true, n = true, field = true, kind = true, status = true, decided = true, base = true,
  candidates = true, outcome = true, episodes = true, closed_by = true, question = true, life = true }
local mt = { __name = "prophet.conflict", __newindex = strict.frozen("a conflict", "c:vote(value) votes, c:resolve(value) ends it") }

function mt.__index(c, name)
  local method = methods[name]
  if method then return method end
  if members[name] then return rawget(c, PRIVATE).doc[name] end
  return strict.unknown("a conflict", name, { methods, members })
end

function mt.__pairs(c)
  return next, rawget(c, PRIVATE).doc, nil
end

-- ---- looking -------------------------------------------------------------------------------------------

--- Who voted for what: an iterator of {replica, by, value, unset, reason, resolver, counts, replaced, author, time, changeset}.
function methods.votes(c)
  local votes, i = rawget(c, PRIVATE).votes, 0
  return function()
    i = i + 1
    return votes[i]
  end
end

--- The changesets that touched the field: an iterator of entries as record:history gives them.
function methods.history(c)
  local s = rawget(c, PRIVATE).state
  local ts = s.registry:state_of(c.type)
  local record = ts[1]:get(ts, c.record, true)
  if not record then return function() return nil end end
  local field = c.field
  local next_step, _, _, closing = ts[1]:history(record, log.wrap_step)
  return function()
    for step in next_step do
      for _, list in ipairs { step.changes, step.votes } do
        for _, one in ipairs(list) do
          if one.field == field then return step end
        end
      end
    end
    return nil
  end, nil, nil, closing
end

local function shown(v, unset)
  if unset or v == nil then return "unset" end
  return format.plain(v)
end

local function state_of(c, outcome)
  local cast, counting = 0, 0
  for vote in c:votes() do
    if vote.counts and not vote.replaced then -- each voter once
      counting = counting + 1
      if vote.value == outcome.value and not vote.unset == not outcome.unset then cast = cast + 1 end
    end
  end
  local state
  if c.status == "closed" then state = "closed"
  elseif c.decided then state = ("decided, %d of %d votes"):format(cast, counting)
  else state = counting > 0 and ("undecided, %d vote%s"):format(counting, counting == 1 and "" or "s") or "undecided" end
  return state
end

-- What a person calls the record: records of reserved types have no numbers for people, settings have names.
local function called(c)
  if c.type:sub(1, 1) ~= "_" then return c.n and "#" .. c.n or c.record end
  local s = rawget(c, PRIVATE).state
  local record = s.handle:get(s.registry:state_of(c.type), c.record, true)
  local name = record and c.type == "_setting" and record:get "name"
  return type(name) == "string" and format.plain(name) or c.record
end

function mt.__tostring(c)
  local outcome, texts, parts = c.outcome or {}, {}, {}
  for i, cand in ipairs(c.candidates) do texts[i] = shown(cand.value, cand.unset) end
  texts[#texts + 1] = shown(outcome.value, outcome.unset)
  texts = format.apart(texts, 40)
  for i, cand in ipairs(c.candidates) do parts[i] = ("%s (%s)"):format(texts[i], cand.author or tostring(cand.replica):sub(1, 8)) end
  return ("%s %s %s: %s -> %s [%s]"):format(c.type, called(c), c.field, table.concat(parts, " | "), texts[#texts], state_of(c, outcome))
end

function mt.__eq(a, b)
  return a.id == b.id
end

function mt.__tojson(c)
  local out = { votes = rawget(c, PRIVATE).votes }
  for name, v in pairs(c) do out[name] = v end
  return out
end

local function wrap(s)
  return function(doc)
    local votes = doc.votes or {}
    doc.votes, doc.number, doc.n = nil, nil, doc.number
    for _, cand in ipairs(doc.candidates or {}) do cand.unset = cand.unset or cand.value == nil end
    return setmetatable({ [PRIVATE] = { state = s, votes = votes, doc = doc } }, mt)
  end
end

-- ---- listing ---------------------------------------------------------------------------------------------

local known = { status = true, type = true, record = true, field = true, life = true, id = true }

local function spec_of(s, filter)
  if filter == nil then return nil end
  strict.options("conflicts", filter, known)
  local spec = {}
  for name, v in pairs(filter) do spec[name] = v end
  if spec.status ~= nil and spec.status ~= "open" and spec.status ~= "closed" then
    e.raise { code = "usage", message = ("conflicts: status is \"open\" or \"closed\", not %q"):format(tostring(spec.status)), value = spec.status }
  end
  if spec.type ~= nil then
    local object = s.types[spec.type] -- raises unknown_type
    spec.type = object.name
  end
  if spec.record ~= nil then
    local id = core.record.is(spec.record) and spec.record.id or core.uuid(tostring(spec.record))
    if not id then
      local _
      _, id = s.handle:locate(spec.record)
    end
    if not id then e.raise { code = "not_found", message = ("no record %s"):format(tostring(spec.record)), value = spec.record } end
    spec.record = core.ref(id)
  end
  if spec.field == "life" then spec.field, spec.life = nil, true end
  if next(spec) == nil then return nil end
  return spec
end

--- db:conflicts
function M.list(s, filter)
  return s.handle:conflicts(spec_of(s, filter), wrap(s))
end

--- db:conflict
function M.get(s, id)
  if type(id) ~= "string" then
    e.raise { code = "usage", message = ("the id of a conflict is a %s, not a text"):format(type(id)), value = id }
  end
  local found
  for c in M.list(s, { id = id }) do
    if found then e.raise { code = "ambiguous", message = ("%q begins the id of several conflicts"):format(id), value = id } end
    found = c
  end
  return found
end

-- ---- settling ----------------------------------------------------------------------------------------------

-- A value, a candidate, or prophet.unset.
local function value_of(c, v, verb)
  if v == nil then
    e.raise { code = "usage", type = c.type, field = c.field, message = ("%s for what?"):format(verb),
      hint = ("c:%s(value), c:%s(candidate) or c:%s(prophet.unset)"):format(verb, verb, verb) }
  end
  if type(v) == "table" then
    for _, cand in ipairs(c.candidates) do
      if rawequal(cand, v) then
        if cand.unset then return core.unset, true end
        return cand.value, true
      end
    end
    if v.changeset and v.replica then -- a candidate of an earlier look
      if v.unset then return core.unset, true end
      return v.value, true
    end
  end
  return v, false
end

local function cast(c, verb, v, reason)
  local private = rawget(c, PRIVATE)
  local value, exact = value_of(c, v, verb)
  local s = private.state
  local field = not c.life and c.field or nil
  local kind = c.kind
  if exact and kind ~= "ref" then kind = nil end -- as it was written, whatever the kind is now
  s.handle[verb](s.handle, c.type, c.record, field, value, core.kinds[kind] and kind or nil, reason)
  local now
  for one in s.handle:conflicts({ type = c.type, record = core.ref(c.record), id = c.id }, wrap(s)) do now = one end -- of its record: all may be many
  return now
end

--- A person's vote. options: reason. Gives the conflict as it is then.
function methods.vote(c, value, options)
  options = strict.options("vote", options, { reason = true })
  if options.reason ~= nil and type(options.reason) ~= "string" then
    e.raise { code = "usage", message = "the reason of a vote is a text", value = options.reason }
  end
  return cast(c, "vote", value, options.reason)
end

--- Writes the value over all others: ends the conflict. Gives the conflict as it is then.
function methods.resolve(c, value)
  return cast(c, "resolve", value)
end

strict.takes("conflict:", methods, { "votes()", "history()", "vote(value, options)", "resolve(value) db:change(why, function() c:resolve(value) end)" })

return M
