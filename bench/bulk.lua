-- The bulk row from Lua: records like those of record.c, in changesets of as many as asked.
-- Usage: prophet-lua bench/bulk.lua DIR RECORDS PER_CHANGE; prints the seconds of the writing alone.
local prophet = require "prophet"
local f = require "prophet.fields"

local path, records, per_change = arg[1], math.tointeger(arg[2]), math.tointeger(arg[3])
local db <close> = prophet.open(path, { create = true, user = "ann@example.org" })
db:define(f.record "ticket" {
  f.string "summary" {}, f.string "body" {}, f.string "status" { index = true }, f.string "owner" { index = true },
  f.string "component" {}, f.string "reporter" {}, f.int "severity" {}, f.time "due" {}, f.int "estimate" {},
})

local STATUS = { "new", "open", "stalled", "closed" }
local COMPONENT = { "storage", "exchange", "merge", "scripts", "documentation" }
local DUE = prophet.time "2026-06-01T12:00:00Z"

local function record(n)
  local x = (n + 1) * 0x9e3779b97f4a7c15
  x = x ~ (x >> 29)
  return {
    summary = ("The save of project %05d fails on disk %02d"):format(n % 100000, (x >> 1) % 97),
    body = ("It happened %d times since the last update, with the log at %016x; nothing else was running.")
      :format((x >> 1) % 1000, x),
    status = STATUS[x % 4 + 1],
    owner = ("person%03d@example.org"):format((x >> 8) % 200),
    component = COMPONENT[(x >> 16) % 5 + 1],
    reporter = ("person%03d@example.org"):format((x >> 24) % 200),
    severity = (x >> 32) % 5 + 1,
    due = DUE,
    estimate = (x >> 12) % 400,
  }
end

-- Making the records is the program's own work, mostly string.format: it is left out of the time.
local ticket, ms = db.types.ticket, 0
for first = 0, records - 1, per_change do
  local batch = {}
  for n = first, math.min(first + per_change, records) - 1 do batch[#batch + 1] = record(n) end
  local start = prophet.now()
  db:change(function()
    for _, fields in ipairs(batch) do ticket:create(fields) end
  end)
  ms = ms + prophet.now().ms - start.ms
end
print(("%.3f"):format(ms / 1000))
