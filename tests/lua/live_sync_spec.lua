-- Live sync: two peers stay together, whoever dies in between. The peers are processes of their own: `prophet serve`, `prophet sync --live`.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local cli = require "cli_support"
local support = require "live_support"
local raises, await, add = place.raises, support.await, support.add

local running = {}

-- Starts `prophet ARGS`; what it prints goes to a file of that name.
local function start(name, args, env)
  local path = place.path(name .. ".out")
  local pipe = assert(io.popen(("echo $$; exec env -u LUA_PATH -u LUA_CPATH %s '%s/prophet' %s >>'%s' 2>&1; echo $?")
    :format(env or "", cli.build, args, path)))
  local p = { pid = math.tointeger(pipe:read "n"), pipe = pipe, path = path }
  pipe:read "l"
  running[#running + 1] = p
  return p
end

-- Ends it; gives its exit status (of a shell: 128 + signal) and what it printed.
local function stop(p, signal)
  if p.stopped then return end
  p.stopped = true
  os.execute(("kill -%s %d"):format(signal or "TERM", p.pid))
  local _, how, status = p.pipe:close()
  return how == "signal" and 128 + status or status, cli.read(p.path)
end

local function told(db, p, text, times)
  await(db, text, function() return select(2, (cli.read(p.path) or ""):gsub(text, "")) >= (times or 1) end)
end

local function serve(db, listen)
  local p = start("serve", ("--db '%s' serve --listen %s --token-file '%s' --log - --json"):format(db.path, listen or "127.0.0.1:0", place.path "tokens"))
  told(db, p, '"url"', listen and 2 or 1)
  p.url = cli.read(p.path):match 'http://127%.0%.0%.1:%d+'
  return p
end

local function live(db, other, env, name)
  local p = start(name or "live", ("--db '%s' sync --live %s"):format(db.path, other), env)
  told(db, p, "pulled")
  return p
end

local function together(ann, bob)
  await(ann, "both are equal", function() return ann:digest() == bob:digest() end)
end

describe("a live sync", function()
  local ann, bob
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    bob = place.clone(ann, "bob")
    cli.write(place.path "token", "secret\n")
    cli.write(place.path "tokens", "write secret\n")
  end)
  after_each(function()
    for i = #running, 1, -1 do
      stop(running[i], "KILL")
      running[i] = nil
    end
    place.leave()
  end)

  -- Both ways, several times; the fastest must be well within a second (or what is given), whatever else this machine does.
  local function swift(most, times)
    local least = math.huge
    for i = 1, times or 3 do
      for _, side in ipairs { { ann, bob }, { bob, ann } } do
        local from, to = side[1], side[2]
        local began = prophet.now().ms
        local t = add(from, "number " .. i)
        await(to, "it arrives", function() return to.types.ticket:get(t.id) end)
        if side[1] == ann or i > 1 then least = math.min(least, prophet.now().ms - began) end
      end
    end
    together(ann, bob)
    assert.is_true(least < (most or 1000), least)
  end

  local function remote(url)
    bob.remotes.web = { url = url, token = "secret" }
  end

  it("with a server carries each commit both ways, and survives the death of either", function()
    local server = serve(ann)
    remote(server.url)
    local follower = live(bob, "web")
    swift()
    local _, said = stop(server, "KILL")
    assert.truthy(said:find("GET /v1/head", 1, true))
    add(ann, "while nobody serves")
    local t = add(bob, "while nobody takes")
    told(bob, follower, "again in")
    assert.is_nil(ann.types.ticket:get(t.id))
    server = serve(ann, server.url:match "//(.*)")
    together(ann, bob)
    assert.truthy(ann.types.ticket:get(t.id))
    stop(follower, "KILL")
    add(ann, "while nobody follows")
    add(bob, "the same")
    follower = live(bob, "web")
    swift()
    local status, text = stop(follower, "INT")
    assert.equal(0, status)
    assert.truthy(text:find "stopped\n$", text)
    assert.is_nil(text:find("secret", 1, true))
    assert.equal(0, (stop(server)))
  end)

  -- It is asked, and has not answered, when it is told to end: all it waits with is answered, and the next one is found.
  it("survives a restart of the server in the middle of a question", function()
    local server = serve(ann)
    remote(server.url)
    local follower = live(bob, "web")
    swift()
    for i = 1, 3 do
      assert.equal(0, (stop(server)))
      server = serve(ann, server.url:match "//(.*)")
      local t = add(ann, "after restart " .. i)
      await(bob, "it arrives", function() return bob.types.ticket:get(t.id) end)
      together(ann, bob)
    end
    assert.equal(0, (stop(follower)))
  end)

  it("begins before there is a server", function()
    local server = serve(ann)
    remote(server.url)
    stop(server)
    add(bob, "alone")
    local follower = start("live", ("--db '%s' sync --live web"):format(bob.path))
    told(bob, follower, "again in")
    serve(ann, server.url:match "//(.*)")
    together(ann, bob)
    assert.equal(0, (stop(follower)))
  end)

  it("with a directory needs no server", function()
    local follower = live(bob, "'" .. ann.path .. "'")
    swift()
    assert.equal(0, (stop(follower)))
  end)

  -- What is written is published at once, and looked for each second.
  it("with a depot needs nobody else, and waits for a stick that was pulled out", function()
    local depot = place.path "bugs.depot"
    local hers, his = live(ann, "'" .. depot .. "'", nil, "hers"), live(bob, "'" .. depot .. "'", nil, "his")
    swift(2000, 2) -- each takes until the next look
    assert.equal(0, (stop(hers)))
    assert(os.rename(depot, place.path "away"))
    add(bob, "while it is away")
    told(bob, his, "the depot .-bugs%.depot is gone")
    os.execute "sleep 1" -- it is tried again, more than once
    assert.is_nil(cli.read(depot .. "/prophet-depot"))
    local _, _, again = os.execute(("timeout 20 '%s/prophet' --db '%s' sync --live '%s' 2>/dev/null"):format(cli.build, bob.path, depot))
    assert.equal(3, again) -- nor by who only knows it from before
    assert.is_nil(cli.read(depot .. "/prophet-depot"))
    assert(os.rename(place.path "away", depot))
    await(ann, "what was written meanwhile is there", function()
      ann:pull(depot)
      return ann:digest() == bob:digest()
    end)
    local status, text = stop(his)
    assert.equal(0, status)
    assert.equal(1, select(2, text:gsub("is gone", "")))
  end)

  -- A token that is taken away: it is said once, asked more and more seldom, and gone on with when it is good again.
  it("that is refused says so once, and goes on when it is let in", function()
    local server = serve(ann)
    remote(server.url)
    local follower = live(bob, "web")
    swift()
    local function again(token)
      stop(server)
      cli.write(place.path "tokens", "write " .. token .. "\n")
      server = serve(ann, server.url:match "//(.*)")
    end
    again "another"
    add(bob, "not for her")
    told(bob, follower, "wants a token")
    for _ = 1, 3 do -- refused again and again, by a server that says when
      local seen = select(2, (cli.read(server.path) or ""):gsub(" 40[13] ", ""))
      await(bob, "it is refused again", function() return select(2, cli.read(server.path):gsub(" 40[13] ", "")) > seen end)
    end
    again "secret"
    together(ann, bob)
    local status, text = stop(follower, "INT")
    assert.equal(0, status)
    assert.equal(1, select(2, text:gsub("wants a token", "")))
    assert.is_nil(text:find("secret", 1, true))
  end)

  it("goes through ssh, over one connection", function()
    local ssh = place.path "ssh"
    cli.write(ssh, ("#!/bin/sh\necho started >>'%s'\nfor line; do :; done\nPATH='%s':$PATH exec sh -c \"$line\"\n")
      :format(place.path "ssh.log", cli.build))
    os.execute(("chmod +x '%s'"):format(ssh))
    local follower = live(bob, "ssh://host.example" .. ann.path, "PROPHET_SSH='" .. ssh .. "'")
    swift()
    assert.equal("started\n", cli.read(place.path "ssh.log"))
    assert.equal(0, (stop(follower)))
  end)

  -- A few looks a second, as everything here that waits does; nothing asked, nothing written. The limit tells a loop, also on a busy machine.
  it("costs next to nothing while idle", function()
    local server = serve(ann)
    remote(server.url)
    local by_http = live(bob, "web")
    local carol = place.clone(ann, "carol")
    local by_directory = start("carol", ("--db '%s' sync --live '%s'"):format(carol.path, ann.path))
    told(carol, by_directory, "pulled")
    swift()
    local function state()
      local out = {}
      for i, p in ipairs { by_http, by_directory } do
        out[i] = math.tointeger(cli.read(("/proc/%d/status"):format(p.pid)):match "\nvoluntary_ctxt_switches:%s*(%d+)")
      end
      local pipe = io.popen(("cat '%s'/log/* '%s'/log/* '%s'/log/* | md5sum"):format(ann.path, bob.path, carol.path))
      out.logs = pipe:read "l"
      pipe:close()
      return out
    end
    local before, after
    repeat -- until the last exchange is over
      before = state()
      ann:run(1)
      after = state()
    until before.logs == after.logs
    for i = 1, 2 do assert.is_true(after[i] - before[i] < 400, ("%d: %d"):format(i, after[i] - before[i])) end
  end)

  it("is ended by the script that began it, or by what it raises", function()
    add(ann, "one")
    local reports = {}
    bob:sync("origin", { live = true, synced = function(report)
      reports[#reports + 1] = report
      if #reports == 1 then add(bob, "two") end -- what was written meanwhile
      return #reports < 2
    end })
    assert.equal(1, reports[1].pull.changesets)
    assert.equal(1, reports[2].push.changesets)
    assert.truthy(tostring(reports[2]):find("pushed 1 changeset", 1, true))
    assert.equal(ann:digest(), bob:digest())
    raises("script", bob.sync, bob, "origin", { live = true, synced = function() error "enough" end })
    local why
    bob.remotes.nobody = "http://127.0.0.1:1/"
    bob:sync("nobody", { live = true, lost = function(err, seconds)
      why = err
      return seconds < 0.3
    end })
    assert.equal("network", why.code)
    add(bob, "usable as before")
    bob:push "origin"
  end)

  it("lets resolvers vote on what comes", function()
    local t = add(ann, "one")
    bob:pull "origin"
    ann.types.ticket:must(t.id):set { status = "open" }
    bob.types.ticket:must(t.id):set { status = "closed" }
    bob:resolver "latest"
    local votes
    bob:sync("origin", { live = true, synced = function(report)
      votes = report.pull.votes
      return false
    end })
    assert.equal(1, votes)
    assert.equal(ann:digest(), bob:digest())
  end)

  it("refuses what cannot be watched, and options that make no sense", function()
    bob:bundle(place.path "bugs.bundle")
    local err = raises("usage", bob.sync, bob, place.path "bugs.bundle", { live = true })
    assert.truthy(err.hint)
    raises("usage", bob.sync, bob, bob.path, { live = true })
    raises("usage", bob.sync, bob, "origin", { live = true, dry_run = true })
    raises("usage", bob.sync, bob, "origin", { live = true, synced = 5 })
    raises("usage", bob.sync, bob, "origin", { synced = function() end })
    raises("usage", bob.sync, bob, "origin", { live = true, liv = 1 })
    raises("not_found", bob.sync, bob, place.path "nowhere", { live = true })
    raises("usage", bob.change, bob, function() bob:sync("origin", { live = true }) end)
    local eve = place.tracker "eve"
    raises("unrelated", bob.sync, bob, eve.path, { live = true })
    assert.equal(0, bob:sync("origin", { live = false }).pull.changesets)
  end)

  it("that a script runs ends with its interrupt", function()
    local r = cli.run(place.dir, "prophet-lua", { "-e", [[local db = prophet.open "bob" db:sync("origin", { live = true })]] },
      { env = "timeout --preserve-status -s INT 0.5" })
    assert.equal(130, r.status, r.out .. r.err)
    assert.truthy(r.err:find "interrupted", r.err)
  end)
end)
