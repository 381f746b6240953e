-- Watching: rows that enter, change and leave; changesets; commits of other handles and of another process.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local raises = place.raises
local f = require "prophet.fields"
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

  -- What a poll takes, in instructions of Lua.
  local function work()
    local n = 0
    debug.sethook(function() n = n + 1 end, "", 10)
    db:poll()
    debug.sethook()
    return n
  end

  -- The work of a poll after `change` must not depend on how many rows there are.
  local function costs_the_same(more, change)
    more(10)
    change()
    db:poll() -- what is loaded and learnt at the first time
    change()
    local few = work()
    more(1000)
    db:poll()
    change()
    assert.is_true(work() < few + few / 4 + 100)
  end

  it("costs what changed, not what there is", function()
    local n = 0
    local _ <close> = ticket:find({ status = "open" }):watch(tell)
    costs_the_same(function(count)
      db:change(function()
        for i = 1, count do ticket:create { summary = "s" .. i, status = "open" } end
      end)
    end, function()
      n = n + 1
      ticket:create { summary = "one" .. n, status = "open" }
    end)
    assert.equal(1 + 1 + 1 + 10 + 1000, #seen)
  end)

  local function define_jobs()
    db:define(f.record "stage" { f.string "name" })
    db:define(f.record "job" { f.string "summary", f.ref "stage" { to = "stage", index = true },
      f.ref "parent" { to = "job", index = true }, f.many "children" { type = "job", by = "parent" } })
    return db.types.job, db.types.stage
  end

  it("costs what changed along references, too", function()
    local job, stage = define_jobs()
    local many, one = stage:create { name = "x" }, stage:create { name = "x" }
    local parent = job:create { summary = "parent" }
    job:create { summary = "child", stage = one, parent = parent }
    local n = 0
    local _ <close> = job:find({ ["stage.name"] = q.prefix "x" }):watch(tell)
    local _ <close> = job:search("children.stage.name=x"):watch(tell)
    costs_the_same(function(count)
      db:change(function()
        for i = 1, count do job:create { summary = "s" .. i, stage = many, parent = job:create { summary = "p" } } end
      end)
    end, function()
      n = n + 1
      one = one:set { name = n % 2 == 0 and "x" or "y" }
    end)
    local left = 0
    for _, line in ipairs(seen) do left = left + (line:find "^leave" and 1 or 0) end
    assert.equal(2 + 2, left)
  end)

  it("costs what changed where values look like paths", function()
    local n = 0
    local _ <close> = ticket:find({ owner = { "ann@example.org", "bob@example.org" } }):watch(tell)
    local _ <close> = ticket:find({ q.match "e.g" }):watch(tell)
    costs_the_same(function(count)
      db:change(function()
        for i = 1, count do ticket:create { summary = "s" .. i, owner = "bob@example.org" } end
      end)
    end, function()
      n = n + 1
      ticket:create { summary = "one" .. n, owner = "bob@example.org" }
    end)
  end)

  it("costs what changed with a function that looks at its record alone", function()
    local job, stage = define_jobs()
    local one = stage:create { name = "x" }
    local n = 0
    local _ <close> = job:find(function(t) return t.summary:find "^a" end):watch(tell)
    costs_the_same(function(count)
      db:change(function()
        for i = 1, count do job:create { summary = "a" .. i, stage = one } end
      end)
    end, function()
      n = n + 1
      job:create { summary = "a new one " .. n }
    end)
    assert.equal(1 + 1 + 1 + 10 + 1000, #seen)
  end)

  it("asks a function again that looks further than its record, once it did", function()
    local job, stage = define_jobs()
    local s = stage:create { name = "1.0" }
    local plain = job:create { summary = "plain" }
    local _ <close> = job:find(function(t) return t.stage and t.stage.name == "2.0" end):watch(tell)
    local _ <close> = job:find(function(t) return #t.summary > 9 and db.types.stage:count() > 1 end):watch(tell)
    s:set { name = "2.0" }
    assert.same({}, news())
    plain:set { stage = s }
    assert.same({ "enter plain by ann@example.org" }, news())
    s:set({ name = "3.0" }, { force = true })
    assert.same({ "leave plain by ann@example.org" }, news())
    job:create { summary = "a long summary" }
    assert.same({}, news())
    stage:create { name = "1.0" }
    assert.same({ "enter a long summary by ann@example.org" }, news())
  end)

  it("finds along references who fits now and who did before", function()
    local job, stage = define_jobs()
    local s = stage:create { name = "1.0" }
    local parent, other = job:create { summary = "parent" }, job:create { summary = "other" }
    local child = job:create { summary = "child", parent = parent, stage = s }
    for _, fits in ipairs { { ["stage.name"] = "2.0" }, { ["parent.stage.name"] = "2.0" }, { children = q.present() },
      { ["children.stage.name"] = "2.0" } } do
      job:find(fits):watch(tell)
    end
    local function told()
      local out = news()
      table.sort(out)
      for i, line in ipairs(out) do out[i] = line:gsub(" by .*", "") end
      return table.concat(out, ", ")
    end
    s:set { name = "2.0" } -- the child, and who has such a child
    assert.equal("enter child, enter parent", told())
    child:set { parent = other } -- found by what it referred to before, and refers to now
    assert.equal("change child, enter other, enter other, leave parent, leave parent", told())
    other:set { stage = s }
    assert.equal("change other, change other, enter child, enter other", told())
    child:delete()
    assert.equal("leave child, leave child, leave other, leave other", told())
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

  it("follows a set of references backwards", function()
    db:define(f.record "note" { f.string "word", f.set "about" { of = "ref", to = "page", index = true } })
    db:define(f.record "page" { f.string "summary", f.many "notes" { type = "note", by = "about" } })
    local page, note = db.types.page, db.types.note
    local a, b = page:create { summary = "a" }, page:create { summary = "b" }
    local _ <close> = page:find({ ["notes.word"] = "old" }):watch(tell)
    local n = note:create { word = "old", about = { a, b } }
    local function told()
      local list = news()
      table.sort(list)
      return table.concat(list, ", "):gsub(" by ann@example.org", "")
    end
    assert.equal("enter a, enter b", (told()))
    n:remove("about", b.id)
    assert.equal("leave b", (told()))
    n:delete()
    assert.equal("leave a", (told()))
  end)

  it("hears of a changeset once, whatever else fails meanwhile", function()
    local bad, heard = true, {}
    ticket:create { summary = "before" }
    local _ <close> = db:on("changeset", function(c) heard[#heard + 1] = c.version end)
    local _ <close> = ticket:find({ q.fn(function(t)
      if bad and t.summary == "a" then error "no" end
      return true
    end) }):watch(tell)
    ticket:create { summary = "a" }
    for _ = 1, 3 do assert.is_false(pcall(db.poll, db)) end
    bad = false
    assert.same({ "enter a by ann@example.org" }, news())
    assert.same({ db:version() }, heard)
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
