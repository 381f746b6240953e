-- place: databases in a scratch directory of their own, for specs of the Lua API. Each test ends with nothing left open.
local prophet = require "prophet"
local core = require "prophet.core"
local f = require "prophet.fields"
local e = prophet.error

local M = {}

local base = os.getenv "PROPHET_TEST_DIR" or (core.path_kind "/dev/shm" and "/dev/shm" or "/tmp")
local opened = {}

--- Call in before_each.
function M.enter()
  core.make_dir(base)
  M.dir = ("%s/prophet-lua-%s"):format(base, prophet.uuid())
  core.make_dir(M.dir)
  M.now = prophet.time("2026-01-01").ms
end

--- Call in after_each: closes what is open, checks that nothing is left, removes the directory.
function M.leave()
  for i = #opened, 1, -1 do
    opened[i]:close()
    opened[i] = nil
  end
  collectgarbage()
  collectgarbage()
  local left = core.counts()
  os.execute(("rm -rf '%s'"):format(M.dir))
  assert(left.handles == 0 and left.refs == 0 and left.iterators == 0, "left open: " .. prophet.json.encode(left))
end

function M.path(name)
  return M.dir .. "/" .. name
end

local function remember(db)
  opened[#opened + 1] = db
  return db
end

local function with(options, more)
  local all = { durability = "relaxed", clock = function()
    M.now = M.now + 1000
    return M.now
  end }
  for k, v in pairs(more) do all[k] = v end
  for k, v in pairs(options or {}) do all[k] = v end
  return all
end

--- A new database.
function M.create(name, options)
  return remember(prophet.open(M.path(name), with(options, { create = true, user = name .. "@example.org" })))
end

function M.open(name, options)
  return remember(prophet.open(M.path(name), with(options, { user = name .. "@example.org" })))
end

--- A clone of it, by another person.
function M.clone(from, name, options)
  return remember((prophet.clone(from.path, M.path(name), with(options, { user = name .. "@example.org" }))))
end

--- The type of record that most tests use: no functions in it.
function M.ticket()
  return f.record "ticket" {
    f.string "summary" { required = true, max = 200, fulltext = true },
    f.text "body",
    f.enum "status" { "new", "open", "closed", default = "new", index = true },
    f.int "severity" { min = 1, max = 5, default = 3 },
    f.float "cost",
    f.bool "public",
    f.bytes "raw",
    f.time "due",
    f.user "owner",
    f.set "tags" { of = "string", index = true },
    f.set "levels" { of = "int" },
    f.counter "votes",
    f.list "steps" { of = "string" },
    f.map "extra",
    f.ref "milestone" { to = "milestone" },
    f.ref "parent" { to = "ticket" },
    f.many "children" { type = "ticket", by = "parent" },
    f.string "reporter" { immutable = true },
    summary = "#{n} {status:6} {summary}",
  }
end

function M.milestone()
  return f.record "milestone" { f.string "name" { required = true }, f.time "due", key = { "name" } }
end

--- A new database with both types.
function M.tracker(name, options)
  local db = M.create(name, options)
  db:change("types", function()
    db:define(M.milestone())
    db:define(M.ticket())
  end)
  return db
end

--- fn(...) must raise this code; gives the error.
function M.raises(code, fn, ...)
  local result, err = e.try(fn, ...)
  assert(err, "nothing was raised, but given " .. tostring(result))
  if err.code ~= code then error(("wanted %s, got %s"):format(code, tostring(err)), 2) end
  assert(tostring(err):find("^" .. code .. ": "), tostring(err))
  return err
end

function M.list(...)
  local out = {}
  for v in ... do out[#out + 1] = v end
  return out
end

return M
