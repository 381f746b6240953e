-- Depots from scripts and the command line: several people, one directory, nobody who runs it.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local cli = require "cli_support"
local raises = place.raises

describe("a depot", function()
  local ann, depot
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    ann.types.ticket:create { summary = "Crash" }
    depot = place.path "bugs.depot"
  end)
  after_each(place.leave)

  it("is made by publish, and a source of clone, pull and sync", function()
    local report = ann:publish(depot)
    assert.equal(2, report.changesets)
    assert.equal(1, #report.writers)
    assert.truthy(report.notice:find(depot .. " is a new depot: who can read it can read all history", 1, true)) -- said once, when a depot begins
    local bob <close> = prophet.clone(depot, place.path "bob", { user = "bob@example.org" })
    assert.equal(ann:digest(), bob:digest())
    bob.types.ticket:create { summary = "Second" }
    report = bob:sync(depot)
    assert.equal(0, report.pull.changesets)
    assert.equal(1, report.push.changesets)
    assert.equal(1, ann:pull(depot, { dry_run = true }).changesets)
    assert.equal(1, ann:pull(depot).changesets)
    assert.equal(ann:digest(), bob:digest())
    assert.truthy(tostring(ann:pull("file://" .. depot)):find "^nothing new")
    report = ann:publish(depot)
    assert.equal(0, report.changesets)
    assert.is_nil(report.notice)
    bob:close()
  end)

  it("is made by sync and push, too, and lets resolvers vote on what comes", function()
    assert.equal(2, ann:sync(depot).push.changesets)
    local bob <close> = prophet.clone(depot, place.path "bob")
    local t = ann.types.ticket:find({}):first()
    t:set { status = "open" }
    bob.types.ticket:must(t.id):set { status = "closed" }
    ann:push(depot)
    bob:resolver "return { name = 'any', on = { '*' }, vote = function(c) return c.candidates[1], 'any' end }"
    local report = bob:pull(depot)
    assert.equal(1, report.conflicts)
    assert.equal(1, report.votes)
    bob:close()
  end)

  --- Turns a bit in the middle of a segment: its length stays.
  local function rot(which)
    local find = assert(io.popen(("find '%s' -type f -path '*/*' -name '%s' | sort"):format(depot, ("[0-9a-f]"):rep(64))))
    local path = find:read "a":match(("[^\n]+\n"):rep(which - 1) .. "([^\n]+)")
    find:close()
    local file = assert(io.open(path, "r+b"))
    local middle = file:seek "end" // 2
    file:seek("set", middle)
    local byte = file:read(1):byte()
    file:seek("set", middle)
    file:write(string.char(byte ~ 1))
    file:close()
  end

  it("can be read when what was lost lies behind much that builds on it", function()
    ann:publish(depot)
    local bob <close> = prophet.clone(depot, place.path "bob", { user = "bob@example.org" })
    bob.types.ticket:create { summary = "what all the rest has seen" }
    bob:publish(depot)
    ann:pull(depot)
    for i = 1, 70 do ann.types.ticket:create { summary = "n" .. i, body = ("x"):rep(1000000) .. i } end
    ann:publish(depot)
    os.execute(("rm -r '%s/%s'"):format(depot, bob.replica))
    assert.equal(1, ann:publish(depot).changesets) -- bob's
    local carol <close> = prophet.clone(depot, place.path "carol") -- more waits than an intake holds
    assert.equal(ann:digest(), carol:digest())
    bob:close()
    carol:close()
  end)

  it("is mended by a check of who published what is damaged there", function()
    ann:publish(depot)
    rot(1)
    raises("corrupt", prophet.clone, depot, place.path "bob")
    assert.equal(0, ann:publish(depot).changesets) -- nobody looked
    raises("usage", ann.pull, ann, depot, { check = true })
    local said = ann:publish(depot, { check = true, dry_run = true })
    assert.equal(2, said.changesets)
    raises("corrupt", prophet.clone, depot, place.path "bob")
    said = ann:publish(depot, { check = true })
    assert.equal(2, said.changesets)
    assert.truthy(said.notice:find("1 damaged", 1, true))
    local bob <close> = prophet.clone(depot, place.path "bob")
    assert.equal(ann:digest(), bob:digest())
    said = ann:publish(depot, { check = true })
    assert.same({ 0, nil }, { said.changesets, said.notice })
  end)

  it("is mended by a check of anybody who has what is damaged there", function()
    ann:publish(depot)
    local bob <close> = prophet.clone(depot, place.path "bob")
    rot(1)
    assert.equal(2, bob:publish(depot, { check = true }).changesets)
    local carol <close> = prophet.clone(depot, place.path "carol") -- the damaged one is still named
    assert.equal(ann:digest(), carol:digest())
  end)

  it("that holds what is refused is synced all the same", function()
    ann:publish(depot)
    local bob <close> = prophet.clone(depot, place.path "bob")
    local carol <close> = prophet.clone(depot, place.path "carol")
    local t = ann.types.ticket:find({}):first()
    bob.types.ticket:create { summary = "Second" }
    bob:publish(depot)
    rot(ann.replica < bob.replica and 2 or 1)
    t:set { status = "open" }
    ann:publish(depot)
    carol.types.ticket:must(t.id):set { status = "closed" }
    carol:resolver [[return { name = "any", on = { "*" }, vote = function(c)
      for _, k in ipairs(c.candidates) do if k.value == "closed" then return k, "any" end end
    end }]]
    assert.truthy(raises("corrupt", carol.sync, carol, depot).hint:find("publish --check", 1, true))
    assert.equal(0, carol:publish(depot).changesets) -- done already, her vote too
    local told
    carol:sync(depot, { live = true, background = true, synced = function(r) told = r.pull.notice end }):close()
    assert.truthy(told:find "^left out: ")
    raises("corrupt", ann.pull, ann, depot)
    assert.equal("closed", ann.types.ticket:must(t.id).status)
    assert.equal(ann:digest(), carol:digest())
    bob:publish(depot, { check = true })
    assert.equal(1, carol:sync(depot).pull.changesets)
    bob:close()
    carol:close()
  end)

  it("knows what was there: a bundle since then", function()
    ann:publish(depot)
    ann.types.ticket:create { summary = "Second" }
    assert.equal(1, ann:bundle(place.path "new", { since = depot }).changesets)
  end)

  it("can be sealed: who has not the key reads nothing", function()
    local key, wrong = place.path "key", place.path "wrong"
    prophet.new_key(key)
    prophet.new_key(wrong, { passphrase = "correct horse" })
    raises("exists", prophet.new_key, key)
    raises("usage", prophet.new_key, place.path "new", { password = "x" })
    ann:sync(depot, { seal = key })
    raises("untrusted", prophet.clone, depot, place.path "bob")
    raises("untrusted", prophet.clone, depot, place.path "bob", { seal = wrong })
    raises("usage", prophet.open, place.path "bob", { seal = key })
    local bob <close> = prophet.clone(depot, place.path "bob", { seal = key })
    assert.equal(ann:digest(), bob:digest())
    bob.types.ticket:create { summary = "Second" }
    bob:publish(depot, { seal = key })
    raises("untrusted", ann.pull, ann, depot)
    raises("untrusted", ann.publish, ann, depot)
    assert.equal(1, ann:pull(depot, { seal = key }).changesets)
    bob:close()
  end)

  --- Bytes of the log that this takes and keeps.
  local function grows(db, fn)
    local before = db:stats()
    fn()
    local after = db:stats()
    return (after.log_bytes - after.log_unused) - (before.log_bytes - before.log_unused)
  end

  -- What is remembered of it follows what is new, and not how many have ever written there.
  it("is remembered in a few bytes, however many publish there", function()
    local function ahead(db)
      local p = place.list(db:peers())[1]
      return p.ahead, p.behind
    end
    ann:publish(depot)
    for i = 1, 60 do
      local other <close> = prophet.clone(ann.path, place.path("writer" .. i), { durability = "relaxed" })
      other.types.ticket:create { summary = "by another" }
      other:publish(depot)
    end
    local bob <close> = prophet.clone(depot, place.path "bob", { durability = "relaxed" })
    ann.types.ticket:create { summary = "ann's" }
    ann:publish(depot)
    local bytes = grows(bob, function() assert.equal(1, bob:pull(depot).changesets) end)
    assert.truthy(bytes < 1000, bytes)
    bob.types.ticket:create { summary = "not published" } -- and so the depot has not all that is here
    for i = 1, 2 do
      ann.types.ticket:create { summary = "ann's" }
      ann:publish(depot)
      bytes = grows(bob, function() assert.equal(1, bob:pull(depot).changesets) end)
      assert.truthy(bytes < 1000, bytes)
      assert.same({ 1, 0 }, { ahead(bob) })
      assert.equal(1, bob:bundle(place.path("since" .. i), { since = depot }).changesets)
    end
    bytes = grows(bob, function() bob:publish(depot) end)
    assert.truthy(bytes < 1000, bytes)
    assert.same({ 0, 0 }, { ahead(bob) })
    bob.types.ticket:create { summary = "bob's second" }
    assert.same({ 1, 0 }, { ahead(bob) })
    assert.equal(1, bob:bundle(place.path "since", { since = depot }).changesets)
    assert.equal(0, grows(bob, function() bob:pull(depot) end))
    bob:forget_peer(depot)
    assert.is_nil(ahead(bob))
    bob:close()
  end)

  it("refuses other databases, replicas and what is none", function()
    ann:publish(depot)
    local other = place.tracker "other"
    raises("unrelated", other.publish, other, depot)
    raises("unrelated", other.pull, other, depot)
    raises("usage", ann.publish, ann, other.path)
    raises("usage", ann.publish, ann)
    raises("not_found", ann.pull, ann, place.path "none.depot")
    raises("not_found", ann.push, ann, place.path "none")
  end)

  describe("at a place that cannot list", function()
    local files, reads, count
    before_each(function()
      files, reads, count = {}, {}, 0
      prophet.transport {
        scheme = "shelf",
        open = function() return files end,
        get = function(place_, name)
          reads[#reads + 1] = name
          local f = place_[name]
          if not f then return nil end
          return f.bytes, f.etag, #f.bytes
        end,
        put = function(place_, name, body)
          count = count + 1
          place_[name] = { bytes = body:all(), etag = "v" .. count }
          return place_[name].etag, true
        end,
        remove = function(place_, name)
          local was = place_[name] ~= nil
          place_[name] = nil
          return was
        end,
      }
    end)
    after_each(function() prophet.transport { scheme = "shelf" } end)

    it("is pulled from by its root: nothing new is one read", function()
      ann:publish "shelf:bugs"
      local bob = place.clone({ path = "shelf:bugs" }, "bob")
      bob:pull "shelf:bugs"
      assert.equal(ann:digest(), bob:digest())
      reads = {}
      assert.equal(0, bob:pull("shelf:bugs").changesets)
      assert.same({ "prophet-depot" }, reads)
      ann.types.ticket:create { summary = "Second" }
      ann:publish "shelf:bugs"
      reads = {}
      assert.equal(1, bob:pull("shelf:bugs").changesets)
      assert.equal(3, #reads)
    end)

    for _, sealed in ipairs { false, true } do
      it("costs what is new, however many publish there" .. (sealed and ", sealed" or ""), function()
        local o = {}
        if sealed then
          o.seal = place.path "bugs.key"
          prophet.new_key(o.seal)
        end
        ann:publish("shelf:bugs", o)
        for i = 1, 20 do
          local other <close> = prophet.clone(ann.path, place.path("writer" .. i), { durability = "relaxed" })
          other.types.ticket:create { summary = "by another" }
          other:publish("shelf:bugs", o)
        end
        local bob <close> = prophet.clone("shelf:bugs", place.path "bob", { durability = "relaxed", seal = o.seal })
        for _ = 1, 3 do
          ann.types.ticket:create { summary = "ann's" }
          ann:publish("shelf:bugs", o)
          reads = {}
          assert.equal(1, bob:pull("shelf:bugs", o).changesets)
          assert.equal(3, #reads) -- root, manifest, segment
        end
        local p = place.list(bob:peers())[1]
        assert.same({ 0, 0 }, { p.ahead, p.behind }) -- the others have what they had
        bob.types.ticket:create { summary = "bob's" }
        assert.equal(1, bob:bundle(place.path "since", { since = "shelf:bugs" }).changesets)
        bob:close()
      end)
    end

    it("has several publishers, and one that the root forgot is looked up by who saw it", function()
      ann:publish "shelf:bugs"
      local bob = place.clone({ path = "shelf:bugs" }, "bob")
      bob.types.ticket:create { summary = "bob's" }
      bob:publish "shelf:bugs"
      ann:pull "shelf:bugs"
      local stale = files["prophet-depot"]
      ann.types.ticket:create { summary = "ann's" }
      ann:publish "shelf:bugs"
      files["prophet-depot"] = nil -- and no root at all
      assert.equal(1, bob:pull("shelf:bugs").changesets)
      files["prophet-depot"] = stale -- of before the last manifest
      bob.types.ticket:create { summary = "bob's second" }
      bob:publish "shelf:bugs"       -- mends it
      assert.equal(1, ann:pull("shelf:bugs").changesets)
      assert.equal(ann:digest(), bob:digest())
      local cyd = place.clone({ path = "shelf:bugs" }, "cyd")
      assert.equal(ann:digest(), cyd:digest())
    end)

    it("says that a segment is gone, and gets it from who publishes again", function()
      ann:publish "shelf:bugs"
      local bob = place.clone({ path = "shelf:bugs" }, "bob")
      ann.types.ticket:create { summary = "Second" }
      ann:publish "shelf:bugs"
      local kept = {}
      for name, f in pairs(files) do
        if #name == 129 then kept[name], files[name] = f, nil end
      end
      local report = bob:pull "shelf:bugs"
      assert.equal(0, report.changesets)
      assert.truthy(report.notice:find "not there")
      for name, f in pairs(kept) do files[name] = f end
      assert.equal(1, bob:pull("shelf:bugs").changesets)
    end)
  end)

  it("takes no path for a name", function()
    local names = { "../escape", "/etc/passwd", "a/../../b", ("ab"):rep(32) .. "/../manifest", ("AB"):rep(32) .. "/manifest", "x\0y" }
    local asked = {}
    prophet.transport {
      scheme = "evil",
      open = function() return {} end,
      get = function(_, name) asked[#asked + 1] = name end,
      list = function() return names end,
    }
    raises("not_found", ann.pull, ann, "evil:x")
    prophet.transport { scheme = "evil" }
    for _, name in ipairs(asked) do
      assert.truthy(name == "prophet-depot" or name:find "^%x+/manifest$", name)
    end
  end)

  it("is none where a list does not end", function()
    for _, last in ipairs { "manifest", ("ab"):rep(32) } do
      local given = 0
      prophet.transport {
        scheme = "evil",
        open = function() return {} end,
        get = function() return nil end,
        list = function()
          return function()
            given = given + 1
            return ("%064x/%s"):format(given, last), 1
          end
        end,
      }
      raises("remote", ann.pull, ann, "evil:x")
      prophet.transport { scheme = "evil" }
      assert.truthy(given <= 500001, given)
    end
  end)

  it("is published into and pulled from on the command line", function()
    local function run(...)
      local r = cli.run(place.dir, "prophet", { ... })
      assert.equal(0, r.status, r.err)
      return r.out
    end
    assert.truthy(run("--db", "ann", "publish", "bugs.depot"):find "^2 changesets")
    run("clone", "bugs.depot", "copy")
    run("--db", "copy", "create", "ticket", "summary=more")
    run("--db", "copy", "sync", "bugs.depot")
    assert.truthy(run("--db", "ann", "pull", "bugs.depot"):find "^1 changeset")
    assert.equal(run("--db", "ann", "digest"), run("--db", "copy", "digest"))
    run("key", "new", "key")
    run("--db", "ann", "publish", "s.depot", "--seal", "key")
    run("clone", "s.depot", "sealed", "--seal", "key")
    run("--db", "sealed", "sync", "s.depot", "--seal", "key")
    assert.equal(10, cli.run(place.dir, "prophet", { "--db", "ann", "pull", "s.depot" }).status)
    local made = cli.run(place.dir, "prophet", { "key", "new", "phrase", "--passphrase" }, { input = "correct horse\n" })
    assert.equal(0, made.status, made.err)
    assert.equal("prophet passphrase 1\ncorrect horse\n", cli.read(place.path "phrase"))
    assert.equal(2, cli.run(place.dir, "prophet", { "key", "show", "x" }).status)
    assert.equal(4, cli.run(place.dir, "prophet", { "key", "new", "key" }).status)
  end)
end)
