-- ticket: one thing to be done, from the first report to its end.
--
-- `component` and `platform` take their recommended values from the settings of the database, so that a team changes
-- them without touching a schema: db.settings.components = { "core", "ui" }. "other!" forces a value that is not there.
local f = require "prophet.fields"

-- Tags and names come in as people type them.
local function lower(v) return (v:lower():gsub("^%s+", ""):gsub("%s+$", "")) end
local function trimmed(v) return (v:gsub("^%s+", ""):gsub("%s+$", "")) end

return f.record "ticket" {
  f.string "summary"  { required = true, min = 1, max = 200, fulltext = 3, canon = trimmed, doc = "one line that says what is wrong" },
  f.text   "body"     { fulltext = true, doc = "how to see it, what was expected, what happened" },
  f.enum   "status"   { "new", "open", "stalled", "closed", default = "new", index = true,
                        aliases = { resolved = "closed", reopened = "open" } },
  f.enum   "resolution" { "fixed", "invalid", "duplicate", "declined", doc = "why it is closed" },
  f.enum   "kind"     { "bug", "feature", "task", "question", default = "bug", index = true },
  f.enum   "component"{ values = "setting:components", open = true, index = true },
  f.enum   "platform" { values = "setting:platforms", open = true },
  f.int    "severity" { min = 1, max = 5, default = 3, index = true, rule = "min", doc = "1 is the worst" },
  f.user   "owner"    { index = true, doc = "who works on it" },
  f.user   "reporter" { immutable = true, default = function(_, ctx) return ctx.user end },
  f.set    "tags"     { of = "string", index = true, canon = lower },
  f.set    "watchers" { of = "user" },
  f.counter "votes"   { doc = "how many people want it" },
  f.time   "due"      { index = true },
  f.ref    "milestone"{ to = "milestone", index = true },
  f.ref    "duplicate_of" { to = "ticket", index = true },
  f.set    "depends_on" { of = "ref", to = "ticket" },
  f.many   "comments" { type = "comment", by = "ticket" },
  f.many   "attachments" { type = "attachment", by = "ticket" },
  f.many   "duplicates" { type = "ticket", by = "duplicate_of" },
  f.computed "overdue"(function(t, now) return t.due ~= nil and t.due < now and t.status ~= "closed" end),

  indexes = { { "status", "-due" }, { "milestone", "status" } },
  summary = "#{n} {status:7} {summary}",
  doc = "a bug, a wish or a task",

  validate = function(t, ctx)
    if t.status == "closed" and not t.owner then ctx.error("owner", "a closed ticket needs an owner") end
    if t.resolution == "duplicate" and not t:get "duplicate_of" then
      ctx.error("duplicate_of", "a duplicate says of what")
    end
  end,

  queries = {
    open = function(type) return type:find { status = { "new", "open", "stalled" } }:order("severity", "due") end,
    mine = function(type, args)
      return type:find { status = { "new", "open", "stalled" }, owner = args.user }:order("severity", "due")
    end,
    unowned = function(type)
      local q = require "prophet".q
      return type:find { status = { "new", "open" }, owner = q.missing() }:order("severity")
    end,
    overdue = function(type, args)
      local prophet = require "prophet"
      return type:find { status = { "new", "open", "stalled" }, due = prophet.q.lt(args.now or prophet.now()) }:order("due")
    end,
  },
}
