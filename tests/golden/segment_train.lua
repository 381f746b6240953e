-- Makes the database that the dictionary of segments was trained on: every kind of operation on records of the usual kinds, by a few people.
--   lua5.4 tests/golden/segment_train.lua DIR; build/dev/tests/segment_train_main DIR > engine/sync/segment_dictionary.c
-- The dictionary is part of the format: a new one is a new format. Salts, ids and times are random, so another run gives another one.

local prophet = require "prophet"
local f = require "prophet.fields"

local words = {}
for w in ([[crash save open file editor window menu when after before user login page slow wrong text colour print export import link broken
  missing version release build test update install error message null pointer memory leak thread lock deadlock timeout network proxy server client
  request response table index query search sort filter date time zone locale unicode font image video sound driver kernel config option default
  please add support for the new with and not does should be is in on of to from again still fails works here only sometimes always never]])
  :gmatch "%S+" do words[#words + 1] = w end

math.randomseed(20260131)
local function text(n)
  local t = {}
  for i = 1, n do t[i] = words[math.random(#words)] end
  return table.concat(t, " ")
end
local function any(list) return list[math.random(#list)] end

local people = { "ann@example.org", "bob@example.org", "carol@example.com", "dave@example.net" }
local status = { "new", "open", "stalled", "closed", "resolved", "rejected" }

local db = prophet.open(arg[1], { create = true, durability = "relaxed" })
db:define(f.record "ticket" {
  f.string "summary" {}, f.text "body" {}, f.enum "status" { "new", "open", "stalled", "closed", "resolved", "rejected", open = true, index = true },
  f.int "severity" { index = true }, f.int "priority" {}, f.user "owner" { index = true }, f.string "component" {}, f.set "tags" { of = "string" },
  f.counter "votes", f.time "due" {}, f.ref "milestone" { to = "milestone" }, f.string "reporter" {}, f.string "description" {} })
db:define(f.record "comment" { f.ref "ticket" { to = "ticket" }, f.text "body" {}, f.user "author" {} })
db:define(f.record "milestone" { f.string "name" {}, f.time "due" {} })
db:define(f.record "task" { f.string "name" {}, f.string "title" {}, f.bool "done" {}, f.float "estimate" {}, f.string "state" {}, f.int "count" {} })

local T, tickets, stones, tasks = db.types, {}, {}, {}
local edits = {
  function(t) return t:set { status = any(status) } end,
  function(t) return t:set { owner = any(people), status = "open" } end,
  function(t) return t:set { severity = math.random(5) } end,
  function(t) return t:set { priority = math.random(100) } end,
  function(t) return t:set { summary = text(5) } end,
  function(t) return t:set { body = text(25) } end,
  function(t) return t:set { due = prophet.time "2026-03-01" } end,
  function(t) return t:set { milestone = any(stones) } end,
  function(t) return t:add("tags", any(words)) end,
  function(t) return t:incr "votes" end,
  function(t) return t:unset "owner" end,
}
for i = 1, 5 do stones[i] = T.milestone:create { name = "1." .. i, due = prophet.time "2026-06-01" } end
for i = 1, 6000 do
  db.user = any(people)
  local kind = math.random(20)
  if i <= 200 or kind == 1 then
    tickets[#tickets + 1] = T.ticket:create { summary = text(6), body = text(20), status = "new", severity = math.random(5), owner = any(people),
      reporter = any(people), component = any { "core", "ui", "docs", "net" }, tags = { any(words) } }
  elseif kind == 2 then
    T.comment:create { ticket = any(tickets), body = text(15), author = any(people) }
  elseif kind == 3 then
    tasks[#tasks + 1] = T.task:create { name = text(3), title = text(3), done = false, estimate = math.random() * 10, state = "open", count = i }
  elseif kind == 4 and #tasks > 0 then
    local k = math.random(#tasks)
    tasks[k] = tasks[k]:set { done = math.random(2) == 1, count = i, state = any(status) }
  else
    local k = math.random(#tickets)
    local ok, t = pcall(any(edits), tickets[k])
    if ok then tickets[k] = t end
  end
end
db:close()
