-- The issue tracker in schemas/: a team's work with it, hooks and all.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local cli = require "cli_support"
local prophet = require "prophet"

local dir, db

local function refused(code, fn, ...)
  local none, err = prophet.try(fn, ...)
  assert.is_nil(none)
  assert.equal(code, err.code, tostring(err))
  return err
end

local function count(iterator, ...)
  local n = 0
  for _ in iterator, ... do n = n + 1 end
  return n
end

describe("the issue tracker", function()
  before_each(function()
    dir = cli.scratch()
    db = prophet.open(dir .. "/bugs", { create = true, user = "ann@example.org", schemas = cli.source .. "/schemas",
      durability = "relaxed" })
    db.settings.components = { "core", "ui" }
  end)
  after_each(function()
    db:close()
    cli.remove(dir)
  end)

  it("has its five types", function()
    for _, name in ipairs { "attachment", "comment", "milestone", "project", "ticket" } do
      assert.equal(name, db.types[name]:schema().name)
    end
    refused("unknown_type", function() return db.types.tickets end)
  end)

  it("fills in, tidies and checks a ticket", function()
    local t = db.types.ticket:create { summary = "  Crash on save ", tags = { " UI " }, component = "core" }
    assert.equal("Crash on save", t.summary)
    assert.equal("new", t.status)
    assert.equal(3, t.severity)
    assert.equal("bug", t.kind)
    assert.equal("ann@example.org", t.reporter)
    assert.same({ "ui" }, t.tags)
    assert.equal(0, t.votes)
    assert.is_false(t.overdue)
    assert.equal("#1 new     Crash on save", tostring(t))

    assert.equal("owner", refused("validation", t.set, t, { status = "resolved" }).field)
    t = t:set { status = "resolved", owner = "bob@example.org", resolution = "fixed" }
    assert.equal("closed", t.status)
    refused("immutable", t.set, t, { reporter = "eve@example.org" })
    refused("validation", t.set, t, { severity = 6 })
    refused("validation", t.set, t, { summary = "" })
    refused("validation", t.set, t, { status = "done" })
    refused("validation", t.set, t, { resolution = "duplicate" })
    assert.equal("closed", db.types.ticket:must(t.id).status)
  end)

  it("recommends components, and can be told otherwise", function()
    local ticket = db.types.ticket
    refused("validation", ticket.create, ticket, { summary = "x", component = "kernel" })
    local t = ticket:create { summary = "x", component = "kernel!" }
    assert.equal("kernel", t.component)
    db.settings.components = { "core", "kernel" }
    assert.equal("kernel", ticket:create { summary = "y", component = "kernel" }.component)
  end)

  it("knows what belongs to what", function()
    local one = db.types.milestone:create { name = "1.0" }
    local t = db.types.ticket:create { summary = "x", milestone = one, owner = "ann@example.org" }
    local u = db.types.ticket:create { summary = "y", milestone = one.id }
    assert.equal("1.0", t.milestone.name)
    assert.equal(2, one.tickets:count())
    assert.equal(0, one.progress)
    t = t:set { status = "closed" }
    assert.equal(0.5, db.types.milestone:must(one.id).progress)
    local c = db.types.comment:create { ticket = t, body = "seen" }
    assert.equal("ann@example.org", c.author)
    assert.truthy(c.created)
    assert.equal(1, t.comments:count())
    assert.equal("seen", t.comments:first().body)
    assert.equal(0, u.comments:count())
    refused("immutable", c.set, c, { ticket = u })
    u = u:set { duplicate_of = t, resolution = "duplicate" }
    assert.equal(1, t.duplicates:count())
    assert.equal(t.id, u:get "duplicate_of")
  end)

  it("makes one milestone of one name, on two replicas too", function()
    local copy <close> = prophet.clone(dir .. "/bugs", dir .. "/copy", { user = "bob@example.org", durability = "relaxed" })
    local here = db.types.milestone:create { name = "1.0" }
    local there = copy.types.milestone:create { name = "1.0" }
    assert.equal(here.id, there.id)
    refused("exists", db.types.milestone.create, db.types.milestone, { name = "1.0" })
    db:sync(dir .. "/copy")
    assert.equal(1, db.types.milestone:find({}):count())
    assert.equal(db:digest(), copy:digest())
    here = db.types.milestone:must(here.id)
    refused("immutable", here.set, here, { name = "2.0" })
  end)

  it("takes attachments apart from paths", function()
    local t = db.types.ticket:create { summary = "x" }
    local a = db.types.attachment:create { ticket = t, name = "/home/ann/shot.png", media = "image/png", size = 12 }
    assert.equal("shot.png", a.name)
    assert.equal("application/octet-stream", db.types.attachment:create { ticket = t, name = "x" }.media)
    refused("validation", db.types.attachment.create, db.types.attachment, { ticket = t, name = "x", media = "png" })
    refused("validation", db.types.attachment.create, db.types.attachment, { name = "x" })
    assert.equal(2, t.attachments:count())
  end)

  it("names its queries", function()
    local ticket = db.types.ticket
    local late = ticket:create { summary = "late", due = "2020-01-01", severity = 1 }
    ticket:create { summary = "mine", owner = "ann@example.org" }
    ticket:create { summary = "done", owner = "ann@example.org", status = "closed" }
    assert.equal(2, count(ticket:query("open", {}):each()))
    assert.equal("late", ticket:query("open", {}):first().summary)
    assert.equal(1, count(ticket:query("mine", { user = "ann@example.org" }):each()))
    assert.equal(1, count(ticket:query("unowned", {}):each()))
    assert.equal(1, count(ticket:query("overdue", {}):each()))
    assert.is_true(late.overdue)
    assert.equal(0, count(ticket:query("overdue", { now = prophet.time "2019-01-01" }):each()))
  end)

  it("shows everything in a clone that has no schema files", function()
    db.types.ticket:create { summary = "x", tags = { "a" } }
    local copy <close> = prophet.clone(dir .. "/bugs", dir .. "/copy", { durability = "relaxed" })
    local t = copy.types.ticket:find({}):one()
    assert.equal("#1 new     x", tostring(t))
    assert.same({ "a" }, t.tags)
    refused("unknown_field", function() return t.sumary end)
    assert.equal(db:digest(), copy:digest())
  end)

  it("writes nothing when it is opened again", function()
    local before = db:digest()
    db:close()
    db = prophet.open(dir .. "/bugs", { schemas = cli.source .. "/schemas" })
    assert.equal(before, db:digest())
  end)

  it("has nothing to say against itself", function()
    db.types.ticket:create { summary = "x" }
    assert.equal(0, db:check().faults)
  end)
end)
