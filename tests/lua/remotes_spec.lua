-- Remotes and peers: names for places, in the library and on the command line; what is kept, what is shown, and what is never shown.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local cli = require "cli_support"
local raises, list = place.raises, place.list

local SECRET = "s3cret-8b1f"

local function mode_of(path)
  local pipe = assert(io.popen(("stat -c %%a '%s'"):format(path)))
  local text = pipe:read "l"
  pipe:close()
  return text
end

local function md5(dir)
  local pipe = assert(io.popen(("cat '%s'/* | md5sum"):format(dir)))
  local text = pipe:read "a"
  pipe:close()
  return text
end

local function peer(db, name)
  for p in db:peers() do
    if p.name == name then return p end
  end
end

describe("remotes", function()
  local ann, bob
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    bob = place.clone(ann, "bob")
  end)
  after_each(place.leave)

  local function run(...)
    return cli.run(place.dir, "prophet", { "--db", bob.path, ... })
  end

  it("are assigned, read, listed and taken away", function()
    bob.remotes.web = { url = "https://example.org/bugs", token = SECRET, cacert = "/etc/ca.pem", proxy = "" }
    bob.remotes.stick = "/media/usb/bugs.depot"
    assert.equal("https://example.org/bugs", bob.remotes.web.url)
    assert.equal(SECRET, bob.remotes.web.token)
    assert.equal("", bob.remotes.web.proxy)
    assert.is_nil(bob.remotes.web.seal)
    assert.is_nil(bob.remotes.nobody)
    local names = {}
    for name, remote in pairs(bob.remotes) do
      names[#names + 1] = name
      assert.equal(name, remote.name)
    end
    assert.same({ "origin", "stick", "web" }, names)
    bob.remotes.stick = nil
    bob.remotes.stick = nil
    assert.is_nil(bob.remotes.stick)
    bob.remotes.web = { url = "https://example.org/other" } -- all of it anew
    assert.is_nil(bob.remotes.web.token)
    bob:rename_remote("web", "site")
    assert.equal("https://example.org/other", bob.remotes.site.url)
    raises("not_found", bob.rename_remote, bob, "web", "x")
    raises("exists", bob.rename_remote, bob, "site", "origin")
  end)

  it("refuse what makes no sense, and say how it is done", function()
    local function set(name, remote) bob.remotes[name] = remote end
    raises("usage", set, "a/b", { url = "x" })
    raises("usage", set, "", { url = "x" })
    raises("usage", set, ".x", { url = "x" })
    raises("usage", set, ("n"):rep(65), { url = "x" })
    raises("usage", set, 5, { url = "x" })
    raises("usage", set, "web", {})
    raises("usage", set, "web", { url = "http://x\n[evil]" })
    raises("usage", set, "web", { url = "http://x", token = "a\nurl = y" })
    raises("usage", set, "web", { url = "http://x", tokn = "a" })
    local err = raises("usage", set, "web", { url = "http://ann:" .. SECRET .. "@example.org/" })
    assert.is_nil(tostring(err):find(SECRET, 1, true))
    for url, why in pairs {
      ["http://x/y?query"] = "must have no query", ["https:///x"] = "is not of the form", ["dav://x:99999/"] = "is no URL", ["ssh://x"] = "names no path",
      ["rsync://x"] = "rsync needs", ["file://x/y"] = "names another machine", ["s3://x?y"] = "must have no query", ["rsync+ssh://-x/y"] = "cannot be",
    } do
      local said = raises("usage", set, "web", { url = url })
      assert.truthy(said.message:find(why, 1, true), said.message)
      assert.truthy(raises("usage", bob.pull, bob, url).code)
    end
    raises("immutable", function() bob.remotes = {} end)
    raises("immutable", function() bob.remotes.origin.url = "x" end)
    raises("usage", function() return bob.remotes.origin.tokn end)
    assert.same({ "origin" }, (function()
      local names = {}
      for name in pairs(bob.remotes) do names[#names + 1] = name end
      return names
    end)())
  end)

  it("keep secrets in a file of their owner, which is never shown or replicated", function()
    bob.remotes.web = { url = "rt:https://example.org/bugs?key=" .. SECRET, token = SECRET, proxy = "http://ann:" .. SECRET .. "@proxy.invalid:1" }
    assert.truthy(run("remote", "show", "web").out:find("proxy http://proxy.invalid:1", 1, true))
    assert.equal("600", mode_of(bob.path .. "/remotes"))
    assert.is_nil(tostring(bob.remotes.web):find(SECRET, 1, true))
    assert.is_nil(tostring(bob.remotes):find(SECRET, 1, true))
    assert.is_nil(prophet.json.encode(bob.remotes):find(SECRET, 1, true))
    for _, value in pairs(bob.remotes.web) do assert.is_nil(tostring(value):find(SECRET, 1, true)) end
    for p in bob:peers() do assert.is_nil((tostring(p) .. prophet.json.encode(p)):find(SECRET, 1, true)) end
    for _, args in ipairs { { "remote", "list" }, { "remote", "show", "web" }, { "remote", "list", "--json" }, { "peers" }, { "peers", "--json" },
      { "info" }, { "pull", "web", "--proxy", "http://127.0.0.1:1" } } do
      local ran = run(table.unpack(args))
      assert.is_nil((ran.out .. ran.err):find(SECRET, 1, true), table.concat(args, " "))
    end
    bob:bundle(place.path "all.prophet-bundle")
    bob:publish(place.path "bugs.depot")
    local carol = place.clone(bob, "carol")
    assert.is_nil(carol.remotes.web)
    local found = io.popen(("grep -rl '%s' '%s'"):format(SECRET, place.dir)):read "a"
    assert.equal(bob.path .. "/remotes\n", found)
  end)

  it("stand for their place in every exchange", function()
    assert.equal(ann.path, bob.remotes.origin.url)
    local t = ann.types.ticket:create { summary = "one" }
    assert.equal(1, bob:pull("origin", { dry_run = true }).changesets)
    assert.equal(1, bob:pull("origin").changesets)
    t = bob.types.ticket:must(t.id)
    t = t:set { status = "open" }
    assert.equal(1, bob:push("origin").changesets)
    assert.equal(ann:digest(), bob:digest())
    t = t:set { status = "closed" }
    assert.equal(1, bob:sync("origin").push.changesets)
    t:set { severity = 1 }
    assert.equal(1, bob:bundle(place.path "new.prophet-bundle", { since = "origin" }).changesets)
    bob.remotes.stick = place.path "bugs.depot"
    bob:publish "stick"
    assert.equal(1, ann:pull(place.path "bugs.depot").changesets)
    assert.equal(ann:digest(), bob:digest())
  end)

  it("are made by a clone, but not of a bundle, which nobody adds to", function()
    bob:bundle(place.path "all.prophet-bundle")
    local carol <close> = prophet.clone(place.path "all.prophet-bundle", place.path "carol")
    assert.is_nil(carol.remotes.origin)
    bob:publish(place.path "bugs.depot")
    local dave <close> = prophet.clone(place.path "bugs.depot", place.path "dave")
    assert.equal(place.path "bugs.depot", dave.remotes.origin.url)
  end)

  it("give their key to depots that are sealed", function()
    prophet.new_key(place.path "key")
    bob.remotes.safe = { url = place.path "safe.depot", seal = place.path "key" }
    bob:publish "safe"
    raises("untrusted", ann.pull, ann, place.path "safe.depot")
    assert.equal(0, ann:pull(place.path "safe.depot", { seal = place.path "key" }).changesets)
    local carol = prophet.clone(place.path "safe.depot", place.path "carol", { seal = place.path "key" })
    ann.types.ticket:create { summary = "one" }
    ann:publish(place.path "safe.depot", { seal = place.path "key" })
    assert.equal(1, carol:pull("origin").changesets) -- clone kept how it was reached
    carol:close()
  end)

  it("are not found with a hint, and paths go before names", function()
    local err = raises("not_found", bob.pull, bob, "orign")
    assert.truthy(err.hint:find("origin", 1, true))
    bob.remotes.other = place.path "nowhere"
    raises("not_found", bob.pull, bob, "other")
    raises("usage", bob.pull, bob, "http:///bugs")
    raises("usage", function() return peer(bob, "origin").last_sen end)
    raises("not_found", bob.apply, bob, "origin") -- a file, never a remote
    local r = run("publish", "orign") -- a misspelt name makes no depot, another new one does
    assert.equal(3, r.status)
    assert.truthy(r.err:find("did you mean origin?", 1, true), r.err)
    assert.equal(0, run("publish", "depot").status)
    assert.equal(0, bob:pull(place.path "depot").changesets)
  end)

  it("are found by a file URL as by their path", function()
    local url = "file://" .. ann.path
    local carol <close> = prophet.clone(url, place.path "carol")
    assert.equal(ann.path, carol.remotes.origin.url)
    ann.types.ticket:create { summary = "ann's" }
    assert.equal(1, carol:pull(url).changesets)
    carol.types.ticket:create { summary = "carol's" }
    assert.equal(1, carol:push(url).changesets)
    assert.equal(0, carol:sync("file://localhost" .. ann.path).push.changesets)
    assert.equal(1, #list(carol:peers()))
    carol:bundle(place.path "all.bundle")
    assert.equal(0, carol:apply("file://" .. place.path "all.bundle").changesets)
    carol.remotes.url = url
    assert.equal(0, carol:pull("url").changesets)
    raises("usage", carol.pull, carol, "file://host" .. ann.path)
  end)

  it("are meant where none is named: origin, or the only one", function()
    ann.types.ticket:create { summary = "ann's" }
    assert.equal(1, bob:pull().changesets)
    bob.types.ticket:create { summary = "bob's" }
    assert.equal(1, bob:push().changesets)
    bob.remotes.other = place.path "other.depot"
    assert.equal(0, bob:sync(nil, { dry_run = true }).push.changesets)
    bob.remotes.origin = nil
    bob:sync()
    assert.truthy(cli.read(place.path "other.depot/prophet-depot"))
    bob.remotes.more = ann.path
    local err = raises("usage", bob.pull, bob)
    assert.equal("pull with whom?", err.message)
    assert.truthy(err.hint:find("more", 1, true) and err.hint:find("other", 1, true))
    assert.equal("apply wants the path of a bundle, not a nil", raises("usage", bob.apply, bob).message)
    raises("usage", bob.publish, bob)
  end)

  it("are read from a file that makes no sense as corrupt, without a word of it", function()
    bob.remotes.web = { url = "https://example.org", token = SECRET }
    for _, text in ipairs { "url = " .. SECRET, "[web]\ntoken = " .. SECRET, "[web]\nurl = x\nurl = " .. SECRET, "[web]\nwhat = " .. SECRET,
      "[a]\nurl = x\n[a]\nurl = y", "[../x]\nurl = y", "[web]\n" .. SECRET } do
      cli.write(bob.path .. "/remotes", text)
      local err = raises("corrupt", function() return bob.remotes.web end)
      assert.is_nil(tostring(err):find(SECRET, 1, true))
      raises("corrupt", function() bob.remotes.x = { url = "y" } end) -- nothing is lost by writing over it
      assert.equal(text, cli.read(bob.path .. "/remotes"))
    end
    os.remove(bob.path .. "/remotes")
  end)

  it("can be changed by several processes at once", function()
    local command = {}
    for i = 1, 8 do
      command[i] = ("'%s/prophet' --db '%s' remote add r%d http://127.0.0.1/%d &"):format(cli.build, bob.path, i, i)
    end
    os.execute("env -u LUA_PATH -u LUA_CPATH sh -c \"" .. table.concat(command, " ") .. " wait\"")
    local n = 0
    for _ in pairs(bob.remotes) do n = n + 1 end
    assert.equal(9, n)
  end)

  it("have commands", function()
    local function ok(...)
      local ran = run(...)
      assert.equal(0, ran.status, ran.err)
      return ran.out
    end
    cli.write(place.path "token", SECRET .. "\n")
    ok("remote", "add", "web", "http://127.0.0.1:1/x", "--token-file", place.path "token")
    assert.equal(SECRET, bob.remotes.web.token)
    assert.equal(2, #cli.lines(ok("remote", "list")))
    assert.equal('{"name":"web","token":true,"url":"http://127.0.0.1:1/x"}\n', ok("remote", "show", "web", "--json"))
    ok("remote", "rename", "web", "site")
    assert.equal(4, run("remote", "add", "site", "x").status)
    assert.equal(3, run("remote", "remove", "web").status)
    assert.equal(3, run("remote", "show", "web").status)
    assert.equal(2, run("remote", "ad", "web", "x").status)
    assert.equal(2, run("remote", "add", "web").status)
    assert.equal(2, run("remote", "show", "site", "--token-file", "x").status)
    assert.truthy(ok("remote", "add", "stick", place.path "stick.depot"):find("there is nothing at " .. place.path "stick.depot", 1, true))
    ok("remote", "remove", "stick")
    ok("remote", "remove", "site", "--dry-run")
    ok("remote", "remove", "site")
    assert.equal(1, #cli.lines(ok("remote")))
    ok("pull") -- the only one
    bob.remotes.origin = nil
    assert.equal(2, run("pull").status)
  end)

  it("are all pulled from, also when one fails", function()
    local carol = place.clone(ann, "carol")
    carol.types.ticket:create { summary = "by carol" }
    ann.types.ticket:create { summary = "by ann" }
    bob.remotes.carol = carol.path
    bob.remotes.a_broken = place.path "nowhere"
    local ran = run("pull", "--all", "--dry-run")
    assert.equal(3, ran.status)
    assert.truthy(ran.out:find("carol: would bring 1 changeset", 1, true), ran.out)
    assert.equal(0, bob.types.ticket:count())
    ran = run("pull", "--all")
    assert.equal(3, ran.status)
    assert.truthy(ran.err:find("a_broken: not_found", 1, true), ran.err)
    assert.equal(2, bob.types.ticket:count())
    bob.remotes.a_broken = nil
    assert.equal(0, run("pull", "--all").status)
    assert.equal(2, run("pull", "--all", "carol").status)
    assert.truthy(run("pull").out:find("^origin: nothing new"))
    assert.truthy(run("sync", "--dry-run").out:find("^origin: would pull nothing new, [%d.]+ s; would push 1 changeset"))
  end)
end)

describe("peers", function()
  local ann, bob
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    bob = place.clone(ann, "bob")
  end)
  after_each(place.leave)

  it("tell how far they are, since they were met last", function()
    local p = peer(bob, "origin")
    assert.same({ 0, 0, ann.path, ann.replica }, { p.ahead, p.behind, p.url, p.replica })
    assert.equal(0, p.last_seen.ms % 1000) -- by the clock of the handle, which ticks whole seconds here
    assert.truthy(p.last_seen.ms <= place.now)
    for i = 1, 3 do bob.types.ticket:create { summary = "bob's " .. i } end
    ann.types.ticket:create { summary = "ann's" } -- nobody can know yet
    p = peer(bob, "origin")
    assert.same({ 3, 0 }, { p.ahead, p.behind })
    bob:push "origin"
    p = peer(bob, "origin")
    assert.same({ 0, 1 }, { p.ahead, p.behind }) -- the push saw what is over there
    bob:pull "origin"
    assert.same({ 0, 0 }, { peer(bob, "origin").ahead, peer(bob, "origin").behind })
    local back = list(ann:peers()) -- a push is a meeting for both
    assert.same({ 1, bob.path }, { #back, back[1].url })
  end)

  it("are known once they were met, by whatever way the changes came", function()
    local carol = place.clone(ann, "carol")
    bob.remotes.carol = carol.path
    assert.is_nil(peer(bob, "carol").last_seen)
    assert.is_nil(peer(bob, "carol").ahead)
    carol.types.ticket:create { summary = "carol's" }
    bob.types.ticket:create { summary = "bob's" }
    bob:push "carol"
    assert.same({ 0, 1 }, { peer(bob, "carol").ahead, peer(bob, "carol").behind })
    ann:pull(carol.path)
    bob:pull "origin"
    assert.same({ 0, 0 }, { peer(bob, "carol").ahead, peer(bob, "carol").behind })
    bob:publish(place.path "bugs.depot")
    bob.types.ticket:create { summary = "bob's second" }
    local depot
    for p in bob:peers() do
      if p.url:find "depot" then depot = p end
    end
    assert.same({ 1, 0 }, { depot.ahead, depot.behind })
    assert.truthy(depot.last_seen)
  end)

  it("have one state, by whatever way they were met", function()
    local server <close> = ann:serve { listen = "127.0.0.1:0", background = true }
    bob.remotes.web = server.url
    bob:pull "web"
    bob.types.ticket:create { summary = "bob's" }
    bob.types.ticket:create { summary = "bob's second" }
    bob:push "origin"
    assert.same({ 0, 0 }, { peer(bob, "web").ahead, peer(bob, "origin").ahead })
    ann.types.ticket:create { summary = "ann's" }
    bob.types.ticket:create { summary = "bob's third" }
    bob:push "origin"
    bob.types.ticket:create { summary = "bob's fourth" }
    for _, name in ipairs { "web", "origin" } do
      assert.same({ 1, 1 }, { peer(bob, name).ahead, peer(bob, name).behind }, name)
    end
    local carol = place.clone(ann, "carol") -- somebody else is where ann was
    os.rename(ann.path, place.path "moved")
    os.rename(carol.path, ann.path)
    bob:pull "origin"
    assert.equal(carol.replica, peer(bob, "origin").replica)
    local n = 0
    for p in bob:peers() do n = n + (p.url == ann.path and 1 or 0) end
    assert.equal(1, n)
  end)

  -- One moment, two places: nothing but what she lacked tells which meeting was the last. Both orders: the notes lie in that of a hash.
  it("met twice within a millisecond had more of what is here the second time", function()
    local server <close> = ann:serve { listen = "127.0.0.1:0", background = true }
    local function meet(name, first, second)
      local db = place.clone(ann, name, { clock = function() return 1767225600123 end })
      local told = db.types.ticket:create { summary = "told" }
      db.remotes.web = server.url
      db:pull(first)  -- she lacks it
      db:push "origin"
      db:pull(second) -- and has it
      assert.truthy(ann.types.ticket:get(told.id))
      for _, of in ipairs { "web", "origin" } do
        assert.same({ 0, 0 }, { peer(db, of).ahead, peer(db, of).behind }, of)
      end
      assert.equal(1767225600123, peer(db, "web").last_seen.ms)
    end
    meet("first", "web", "origin")
    meet("second", "origin", "web")
  end)

  it("are ordered by the clock of the handle that met them", function()
    local server <close> = ann:serve { listen = "127.0.0.1:0", background = true }
    local now = 1767225600000
    local db = place.clone(ann, "carol", { clock = function() return now end })
    db.remotes.web = server.url
    db.types.ticket:create { summary = "told" }
    now = now + 2000
    db:pull "web" -- she lacks it
    now = now - 1000
    db:push "origin"
    assert.same({ 1, 1 }, { peer(db, "web").ahead, peer(db, "origin").ahead }) -- what she said last, by that clock
    now = now + 2000
    db:pull "web"
    assert.same({ 0, 0 }, { peer(db, "web").ahead, peer(db, "origin").ahead })
  end)

  it("that bring nothing new cost the log nothing, but are seen", function()
    bob:pull "origin"
    local before, seen = md5(bob.path .. "/log"), peer(bob, "origin").last_seen
    repeat bob:pull "origin" until peer(bob, "origin").last_seen > seen
    assert.equal(before, md5(bob.path .. "/log"))
    os.remove(bob.path .. "/seen") -- a hint: the note of the log is there
    assert.truthy(peer(bob, "origin").last_seen <= seen)
    cli.write(bob.path .. "/seen", "x\n\n12\nnonsense " .. bob.path .. "\n99")
    bob:pull "origin"
    assert.truthy(peer(bob, "origin").last_seen > seen)
  end)

  -- A server notes who comes, and what they have, by what they say anyway. It is written down when it ends, at the latest.
  it("that came over the network are known to who was asked", function()
    ann = place.tracker("anna", { clock = prophet.now }) -- a server has a handle of its own, with the clock of the wall
    bob = place.clone(ann, "robert", { clock = prophet.now })
    local function served(fn)
      local server <close> = ann:serve { listen = "127.0.0.1:0", background = true, token = SECRET }
      return fn(server.url, { token = SECRET })
    end
    local function visitor()
      local all = list(ann:peers())
      assert.equal(1, #all)
      return all[1]
    end
    bob.types.ticket:create { summary = "bob's" }
    ann.types.ticket:create { summary = "ann's" }
    served(function(url, way) bob:push(url, { token = way.token, dry_run = true }) end) -- he said what he has
    local p = visitor()
    assert.same({ bob.replica, 1, 1 }, { p.replica, p.ahead, p.behind })
    assert.is_nil(p.url)
    assert.truthy(tostring(p):find("came here: " .. bob.replica:sub(1, 12), 1, true))
    served(function(url, way) bob:pull(url, way) end) -- he has hers; what he had before he has still
    p = visitor()
    assert.same({ 0, 1 }, { p.ahead, p.behind })
    served(function(url, way) bob:push(url, way) end)
    p = visitor()
    assert.same({ 0, 0 }, { p.ahead, p.behind })
    ann.types.ticket:create { summary = "ann's second" }
    assert.equal(1, visitor().ahead)
    local ran = cli.run(place.dir, "prophet", { "--db", ann.path, "peers" })
    assert.truthy(ran.out:find("1 ahead, 0 behind .* came here: " .. bob.replica:sub(1, 12)), ran.out)
    local seen = visitor().last_seen
    assert.truthy(seen.ms > prophet.now().ms - 60000)
    ann.remotes.bob = bob.path -- one who has a place needs no other row
    ann:push "bob"
    p = visitor()
    assert.same({ "bob", bob.path, 0 }, { p.name, p.url, p.ahead })
    assert.truthy(p.last_seen >= seen)
  end)

  -- What an exchange costs follows what is new, and not how many have ever written.
  it("are remembered in a few bytes, however many have written", function()
    for i = 1, 60 do
      local other <close> = prophet.clone(ann.path, place.path("writer" .. i), { durability = "relaxed" })
      other.types.ticket:create { summary = "by another" }
      other:push(ann.path)
    end
    bob:pull(ann.path)
    local function grows(fn)
      local before = bob:stats()
      fn()
      local after = bob:stats()
      return (after.log_bytes - after.log_unused) - (before.log_bytes - before.log_unused)
    end
    ann.types.ticket:create { summary = "ann's" }
    local bytes = grows(function() bob:pull(ann.path) end)
    assert.truthy(bytes < 1000, bytes)
    bytes = grows(function()
      bob.types.ticket:create { summary = "bob's" }
      bob:sync(ann.path)
    end)
    assert.truthy(bytes < 1500, bytes)
    bob.types.ticket:create { summary = "bob's second" }
    local p = list(bob:peers())[1]
    assert.same({ "origin", 1, 0 }, { p.name, p.ahead, p.behind })
    assert.equal(1, bob:bundle(place.path "since.prophet-bundle", { since = "origin" }).changesets)
  end)

  -- Anybody may claim to be anybody: that must not fill the log.
  it("that nobody knows are kept up to a hundred", function()
    local server <close> = ann:serve { listen = "127.0.0.1:0", background = true }
    local ask = assert(io.popen("curl -sS -K - >'" .. place.path "codes" .. "'", "w"))
    local function come(key)
      ask:write(('url = "%s/v1/head"\nheader = "Prophet-Replica: %s"\nheader = "If-None-Match: \\"%s\\""\nwrite-out = "%%{http_code}\\n"\n')
        :format(server.url, key, ann:digest()))
    end
    for i = 1, 150 do
      come(("%064x"):format(i))
      ask:write "next\n"
    end
    come(("%064x"):format(7))
    ask:write "next\n"
    come "nonsense"
    assert.is_true(ask:close())
    assert.equal(("304\n"):rep(152), cli.read(place.path "codes"))
    server:close()
    assert.equal(100, #list(ann:peers()))
    bob.types.ticket:create { summary = "bob's" }
    local again <close> = ann:serve { listen = "127.0.0.1:0", background = true, token = SECRET }
    bob:push(again.url, { token = SECRET })
    again:close()
    assert.equal(101, #list(ann:peers())) -- who wrote something is known
  end)

  -- Any site may be behind a URL that is new: nobody is told there. Where a live peer was met, one question tells it.
  it("that find nothing new are seen where they were before, at no cost for the log", function()
    local log, requests = place.path "access", 0
    local function served(fn)
      local server <close> = ann:serve { listen = "127.0.0.1:0", background = true, log = log }
      fn(server.url)
      server:close() -- has written down who came
      local before = requests
      requests = select(2, cli.read(log):gsub("\n", ""))
      return requests - before
    end
    local function noted()
      local all = list(ann:peers())
      return #all, all[1]
    end
    served(function(url) bob:pull(url) end)
    assert.equal(0, (noted()))
    local again = served(function(url)
      bob:pull(url)
      bob:pull(url)
    end)
    local once = served(function(url) bob:pull(url) end)
    local n, p = noted()
    assert.same({ 1, bob.replica, 0, 0 }, { n, p.replica, p.ahead, p.behind })
    assert.equal(once + 1, again) -- the second pull was one request
    local version, seen = md5(ann.path .. "/log"), p.last_seen
    repeat
      served(function(url)
        bob:pull(url)
        for _ = 1, 5 do bob:pull(url) end
      end)
      n, p = noted()
    until p.last_seen > seen
    assert.equal(1, n)
    assert.equal(version, md5(ann.path .. "/log"))
  end)

  it("that stay together with a server say who they are", function()
    local log = place.path "access"
    local server = ann:serve { listen = "127.0.0.1:0", background = true, token = SECRET, log = log }
    local live = bob:sync(server.url, { live = true, background = true, token = SECRET })
    repeat -- the first question that finds nothing new is by nobody, the next one is not
      bob:run(0.02)
      local _, quiet = cli.read(log):gsub(" 304 ", "")
    until quiet >= 2
    live:close()
    server:close() -- else it is written down after a while
    local p = list(ann:peers())[1]
    assert.same({ bob.replica, 0, 0 }, { p.replica, p.ahead, p.behind })
  end)

  -- What is gone has no real path: it keeps the name under which it was met.
  it("that are gone keep when they were seen", function()
    assert.equal(0, os.execute(("mkdir '%s'"):format(place.path "media")) and 0)
    bob.remotes.stick = place.dir .. "/ann/../media/bugs.depot/"
    bob:sync "stick"
    local before = peer(bob, "stick")
    assert.equal(place.path "media/bugs.depot", before.url)
    assert.truthy(before.last_seen)
    os.execute(("rm -rf '%s'"):format(place.path "media/bugs.depot"))
    local after = peer(bob, "stick")
    assert.same({ before.url, before.ahead, before.last_seen }, { after.url, after.ahead, after.last_seen })
    os.execute(("rm -rf '%s'"):format(place.path "media"))
    assert.equal(before.url, place.list(bob:peers())[2].url)
  end)

  it("can be forgotten, by their place or the name of their remote", function()
    bob:publish(place.path "old.depot")
    os.execute(("rm -rf '%s'"):format(place.path "old.depot"))
    assert.equal(2, #list(bob:peers()))
    raises("not_found", bob.forget_peer, bob, "nowhere")
    raises("not_found", bob.forget_peer, bob, ann.replica:sub(1, 6))
    bob:forget_peer(place.path "old.depot")
    assert.equal(1, #list(bob:peers()))
    raises("not_found", bob.forget_peer, bob, place.path "old.depot")
    bob:forget_peer "origin"
    local p = peer(bob, "origin")
    assert.same({ ann.path }, { p.url, p.ahead, p.last_seen })
    bob:pull()
    assert.equal(0, peer(bob, "origin").ahead)
    local ran = cli.run(place.dir, "prophet", { "--db", bob.path, "peers", "--forget", ann.path })
    assert.equal(0, ran.status, ran.err)
    assert.is_nil(peer(bob, "origin").ahead)
    assert.equal(3, cli.run(place.dir, "prophet", { "--db", bob.path, "peers", "--forget", ann.path }).status)
    assert.equal(3, cli.run(place.dir, "prophet", { "--db", bob.path, "peers", "--dry-run", "--forget", ann.path }).status)
  end)

  it("that came here can be forgotten by the start of their id", function()
    local server <close> = ann:serve { listen = "127.0.0.1:0", background = true }
    ann.types.ticket:create { summary = "news" }
    bob:pull(server.url)
    server:close()
    assert.equal(1, #list(ann:peers()))
    ann:forget_peer(bob.replica:sub(1, 12))
    assert.equal(0, #list(ann:peers()))
  end)

  it("are never this replica itself", function()
    local server <close> = ann:serve { listen = "127.0.0.1:0", background = true }
    local err = raises("usage", ann.pull, ann, server.url)
    assert.equal(server.url .. " is this replica itself", err.message)
    assert.equal(0, #list(ann:peers()))
  end)

  it("that have nothing new took their time to say so", function()
    local server <close> = ann:serve { listen = "127.0.0.1:0", background = true }
    bob:pull(server.url)
    assert.truthy(bob:pull(server.url).seconds > 0.0001) -- of a request; a look at the own log takes less
  end)

  it("are met over HTTP as well, when both are equal from the start", function()
    local server <close> = ann:serve { listen = "127.0.0.1:0", background = true }
    bob.remotes.web = server.url
    assert.is_nil(peer(bob, "web").ahead)
    bob:pull "web"
    local p = peer(bob, "web")
    assert.same({ 0, 0, ann.replica, server.url }, { p.ahead, p.behind, p.replica, p.url })
    assert.equal(server.url, peer(bob, "web").url)
    bob.types.ticket:create { summary = "bob's" }
    assert.equal(1, peer(bob, "web").ahead)
    ann:pull(bob.path)
    bob:pull "web"
    assert.equal(0, peer(bob, "web").ahead)
  end)
end)
