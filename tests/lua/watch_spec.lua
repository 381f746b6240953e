-- Watching: rows that enter, change and leave; changesets; commits of other handles and of another process.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local raises = place.raises
local q = prophet.q

describe("a watched query", function()
  local db, ticket, seen
  before_each(function()
    place.enter()
    db = place.tracker "ann"
    ticket = db.types.ticket
    seen = {}
  end)
  after_each(place.leave)

  local function tell(event, record, origin)
    seen[#seen + 1] = ("%s %s by %s"):format(event, record.summary, origin.author)
  end

  local function news()
    db:poll()
    local out = seen
    seen = {}
    return out
  end

  it("tells what enters, changes and leaves, once", function()
    local a = ticket:create { summary = "a", status = "open" }
    local w <close> = ticket:find({ status = "open" }):watch(tell)
    assert.same({}, news())
    local b = ticket:create { summary = "b", status = "open" }
    ticket:create { summary = "c", status = "new" }
    assert.same({ "enter b by ann@example.org" }, news())
    assert.same({}, news())
    a = a:set { severity = 5 }
    assert.same({ "change a by ann@example.org" }, news())
    a:set { status = "closed" }
    b:delete()
    local left = news()
    table.sort(left)
    assert.same({ "leave a by ann@example.org", "leave b by ann@example.org" }, left)
    b:restore()
    assert.same({ "enter b by ann@example.org" }, news())
    w:close()
    b:delete()
    assert.same({}, news())
  end)

  it("sees other handles and pulls, and says where they come from", function()
    local t = ticket:create { summary = "a", status = "open" }
    local where = {}
    local _ <close> = ticket:find({ status = "open" }):watch(function(_, _, origin) where[#where + 1] = origin["local"] end)
    local other = place.open "ann"
    other.types.ticket:create { summary = "b", status = "open" }
    other:close()
    local bob = place.clone(db, "bob")
    bob.types.ticket:must(t.id):set { summary = "bob's" }
    db:pull(bob.path)
    db:poll()
    assert.same({ true, false }, where)
  end)

  it("follows references, rules and votes", function()
    local m = db.types.milestone:create { name = "1.0", due = "2026-01-01" }
    ticket:create { summary = "a", milestone = m }
    local _ <close> = ticket:find({ ["milestone.due"] = q.lt "2026-02-01" }):scan():watch(tell)
    m:set { due = "2026-03-01" }
    assert.same({ "leave a by ann@example.org" }, news())
  end)

  it("keeps to the text form", function()
    local _ <close> = ticket:search("status=?1 milestone.name=1.0", "open"):watch(tell)
    local milestone = db.types.milestone:create { name = "1.0" }
    ticket:create { summary = "a", status = "new", milestone = milestone }
    assert.same({}, news())
    local b = ticket:create { summary = "b", status = "open" }
    assert.same({}, news())
    b:set { milestone = milestone }
    assert.same({ "enter b by ann@example.org" }, news())
    milestone:delete()
    assert.same({ "leave b by ann@example.org" }, news())
  end)

  it("looks at what refers to its rows", function()
    local a = ticket:create { summary = "a" }
    local _ <close> = ticket:find({ children = q.present() }):watch(tell)
    ticket:create { summary = "b", parent = a }
    assert.same({ "enter a by ann@example.org" }, news())
  end)

  it("tells what votes and weights change in a row, and only that", function()
    local a = ticket:create { summary = "a", status = "open" }
    local bob = place.clone(db, "bob", { user = "bob@example.org" })
    a:set { severity = 4 }
    bob.types.ticket:must(a.id):set { severity = 5 }
    db:pull(bob.path)
    bob:pull(db.path)
    local shown = {}
    local _ <close> = ticket:find({ status = "open" }):watch(function(event, record) shown[#shown + 1] = event .. record.severity end)
    local function told()
      db:poll()
      local out = table.concat(shown, " ")
      shown = {}
      return out
    end
    local function vote(at, value)
      for c in at:conflicts { status = "open" } do c:vote(value) end
    end
    local was = ticket:must(a.id).severity
    vote(db, 9 - was)
    assert.equal("change" .. 9 - was, told())
    vote(db, 9 - was)
    assert.equal("", told())
    db.types._voter:upsert({ replica = bob.replica }, { weight = 9 })
    assert.equal("", told())
    vote(bob, was)
    db:pull(bob.path)
    assert.equal("change" .. was, told())
    db.types._voter:upsert({ replica = bob.replica }, { weight = 0 })
    assert.equal("change" .. 9 - was, told())
  end)

  it("costs what changed, not what there is", function()
    db:change(function()
      for i = 1, 400 do ticket:create { summary = "s" .. i } end
    end)
    local small = place.open("ann", { reads = 100 })
    local find = small.types.ticket:find { summary = "s7" }
    raises("needs_scan", find.count, find)
    local _ <close> = find:scan():watch(tell)
    small.types.ticket:create { summary = "s7" }
    assert.equal(1, small:poll().events) -- asked anew as a whole, it would have read more than 100
  end)

  it("goes on after a function that fails", function()
    local first = true
    local _ <close> = ticket:find({ status = "open" }):watch(function(...)
      if first then
        first = false
        error "no"
      end
      tell(...)
    end)
    ticket:create { summary = "a", status = "open" }
    ticket:create { summary = "b", status = "open" }
    assert.is_false(pcall(db.poll, db))
    assert.equal(1, #news())
  end)

  it("is refused where it makes no sense", function()
    raises("usage", function() ticket:find({}):watch() end)
    assert.truthy(raises("usage", function() ticket:find({}):limit(3):watch(tell) end).hint:find("query:order(..):limit(n)", 1, true))
    raises("usage", db.on, db, "weather", tell)
    raises("usage", db.run, db, -1)
    raises("usage", function() db:change(function() db:run(0) end) end)
  end)

  it("hears every changeset", function()
    local messages = {}
    local _ <close> = db:on("changeset", function(c, origin) messages[#messages + 1] = c.message .. tostring(origin["local"]) end)
    db:change("one", function() ticket:create { summary = "a" } end)
    db:change("two", function() ticket:create { summary = "b" } end)
    assert.equal(2, db:poll().events)
    assert.same({ "onetrue", "twotrue" }, messages)
  end)

  it("runs until it is told to stop, and sees another process", function()
    local _ <close> = ticket:find({ status = "open" }):watch(function(...)
      tell(...)
      return false
    end)
    local script = os.tmpname()
    local file <close> = assert(io.open(script, "w"))
    file:write(([[
      local db <close> = require "prophet".open(%q, { user = "other" })
      db.types.ticket:create { summary = "from afar", status = "open" }
    ]]):format(db.path))
    file:close()
    local program = (os.getenv "PROPHET_BUILD_DIR" or "build/release") .. "/prophet-lua"
    os.execute(("%s %s &"):format(program, script))
    assert.equal(1, db:run(30))
    os.remove(script)
    assert.same({ "enter from afar by other" }, seen)
    assert.equal(0, db:run(0))
  end)
end)
