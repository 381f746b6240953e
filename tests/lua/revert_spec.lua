-- Taking the same changeset back more than once, on one replica and on several: counters above all, since increments name nothing.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local place = require "place"

describe("a changeset that is taken back twice", function()
  local db, ticket, t, x
  before_each(function()
    place.enter()
    db = place.tracker "ann"
    ticket = db.types.ticket
    t = ticket:create { summary = "first" }
    db:change("count", function() t:incr("votes", 5) end)
    x = db:head()[1]
    ticket:must(t.id):incr("votes", 2)
  end)
  after_each(place.leave)

  local function votes(of) return (of or db).types.ticket:must(t.id).votes end

  it("takes its increment off once", function()
    assert.truthy(db:revert(x))
    assert.equal(2, votes())
    local version = db:version()
    assert.is_nil(db:revert(x))
    assert.equal(2, votes())
    assert.equal(version, db:version())
  end)

  it("can be taken back again when that was taken back", function()
    db:revert(x)
    local y = db:head()[1]
    assert.truthy(db:revert(y))
    assert.equal(7, votes())
    assert.is_nil(db:revert(y))
    assert.equal(7, votes())
    assert.truthy(db:revert(x))
    assert.equal(2, votes())
    for _, want in ipairs { 7, 2, 7, 2 } do
      db:undo()
      assert.equal(want, votes())
    end
    assert.equal(0, db:check().faults)
    assert.same({}, db:check().notes or {})
  end)

  it("does so on a replica that got the first revert from another", function()
    local bob = place.clone(db, "bob")
    db:revert(x)
    bob:pull(db.path)
    assert.is_nil(bob:revert(x))
    assert.equal(2, votes(bob))
  end)

  -- Everybody sees this, whatever came first, and a rebuild finds it, too.
  local clones = 0
  local function everywhere(sides, want)
    local seen
    for _, order in ipairs { { 1, 2, 3 }, { 1, 3, 2 }, { 2, 1, 3 }, { 2, 3, 1 }, { 3, 1, 2 }, { 3, 2, 1 } } do
      clones = clones + 1
      local here = place.clone(db, "here" .. clones)
      for _, i in ipairs(order) do
        if sides[i] then here:pull(sides[i].path) end
      end
      assert.equal(want, votes(here), table.concat(order, " "))
      assert.equal(0, here:check().faults)
      here:rebuild()
      seen = seen or { here:export(), here:digest() }
      assert.same(seen, { here:export(), here:digest() })
    end
    for _, one in ipairs(sides) do
      for _, other in ipairs(sides) do
        if other ~= one then one:pull(other.path) end
      end
      assert.equal(want, votes(one))
      assert.equal(seen[1], one:export())
      local last
      for v in one.types.ticket:must(t.id):history() do
        for _, c in ipairs(v.changes) do last = c.field == "votes" and c.new or last end
      end
      assert.equal(want, last)
      local past <close> = one:as_of(one:version())
      assert.equal(want, votes(past))
    end
  end

  local function three()
    return { place.clone(db, "one"), place.clone(db, "two"), place.clone(db, "three") }
  end

  it("counts once when two replicas do so at once", function()
    local sides = { table.unpack(three(), 1, 2) }
    for _, one in ipairs(sides) do assert.truthy(one:revert(x)) end
    everywhere(sides, 2)
    assert.is_nil(sides[1]:revert(x))
  end)

  it("counts once when three do, beside other increments", function()
    local sides = three()
    for i, one in ipairs(sides) do
      one.types.ticket:must(t.id):incr("votes", 10 ^ i)
      assert.truthy(one:revert(x))
    end
    everywhere(sides, 1112)
  end)

  it("stays taken back while one of two who did so stands by it", function()
    local sides = three()
    local ours = sides[1]:revert(x).id
    sides[2]:revert(x)
    sides[3]:pull(sides[1].path)
    sides[3]:revert(ours)
    assert.equal(7, votes(sides[3]))
    sides[1]:undo()
    everywhere(sides, 2)
  end)

  it("comes back when all who did so take that back", function()
    local sides = { table.unpack(three(), 1, 2) }
    for _, one in ipairs(sides) do
      one:revert(x)
      one:undo()
      assert.equal(7, votes(one))
    end
    everywhere(sides, 7)
    sides[1]:revert(x)
    everywhere(sides, 2)
    sides[2]:undo() -- of its undo: both stand
    everywhere(sides, 2)
    sides[1]:undo()
    everywhere(sides, 2)
    sides[2]:undo()
    everywhere(sides, 7)
  end)

  it("shows at each point of the past what was there", function()
    local bob = place.clone(db, "bob")
    db:revert(x)
    local before = db:version()
    bob:revert(x)
    bob.types.ticket:must(t.id):incr("votes", 100)
    db:pull(bob.path)
    local first = place.list(db:log { limit = 3 })[3].id
    assert.equal(102, votes())
    for point, want in pairs { [before] = 2, [before + 1] = 2, [before + 2] = 102, [first] = 2, [bob:head()[1]] = 102 } do
      local past <close> = db:as_of(point)
      assert.equal(want, votes(past), tostring(point))
    end
  end)

  it("is not confused with a decrement of the same size", function()
    ticket:must(t.id):incr("votes", -5)
    assert.equal(2, votes())
    assert.truthy(db:revert(x))
    assert.equal(-3, votes())
  end)

  it("marks its reverts in a way that is a counter still", function()
    db:revert(x)
    local steps = {}
    for v in ticket:must(t.id):history() do
      for _, c in ipairs(v.changes) do
        if c.field == "votes" then steps[#steps + 1] = ("%s %d"):format(c.op, c.new) end
      end
    end
    assert.same({ "incr 5", "incr 7", "incr 2" }, steps)
    assert.equal(2, votes())
    db:rebuild()
    assert.equal(2, votes())
    assert.equal(0, db:check().faults)
    local last = place.list(db:log { limit = 1 })[1]
    assert.equal("ticket #1 update: votes by -5", tostring(last.changes))
    assert.truthy(db:log_json({ limit = 1 }):find('"votes":{"inc":-5,"remove":[{"value":1,"over":["' .. x .. '"]}]}', 1, true))
  end)

  it("is counted in the past of who pulled it, with what was written beside votes and new records", function()
    local other = place.clone(db, "bob")
    ticket:must(t.id):set { status = "closed" }
    other.types.ticket:must(t.id):set { status = "open" }
    db:pull(other.path)
    db:change("all at once", function()
      ticket:must(t.id):incr("votes", 4)
      ticket:create { summary = "another" }
      place.list(db:conflicts { status = "open" })[1]:vote "closed"
    end)
    db:revert(x)
    local then_ = db:version()
    ticket:must(t.id):set { summary = "later" }
    other:pull(db.path)
    for _, one in ipairs { db, other } do
      assert.equal(6, votes(one))
      assert.equal(6, votes(one:as_of(then_)))
      assert.equal(0, one:check().faults)
    end
  end)

  it("writes an old value once, and does not part it from what came after", function()
    t = ticket:must(t.id):set { summary = "bad" }
    local bad = db:head()[1]
    assert.truthy(db:revert(bad))
    assert.is_nil(db:revert(bad))
    assert.equal("first", ticket:must(t.id).summary)
    ticket:must(t.id):set { status = "open" }
    assert.is_nil(db:revert(bad))
    assert.equal(0, #place.list(db:conflicts()))
  end)

  it("reads what a changeset of many records names once", function()
    local function peak() -- KiB of memory
      for line in io.lines "/proc/self/status" do
        local kib = line:match "^VmHWM:%s*(%d+)"
        if kib then return tonumber(kib) end
      end
    end
    db:change(function()
      for i = 1, 1000 do ticket:create { summary = "s" .. i } end
    end)
    ticket:find({}):update { severity = 5 }
    local before = peak()
    db:undo()
    assert.equal(0, ticket:find({ severity = 5 }):count())
    assert.is_true(peak() - before < 64 << 10, ("%d KiB"):format(peak() - before))
  end)
end)
