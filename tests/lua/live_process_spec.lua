-- Live peers in processes of their own: `prophet serve` over HTTP, and `prophet serve --stdio` as ssh starts it. Peers that lie or break off
-- are in tests/unit/serve_live_test.c.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local cli = require "cli_support"
local raises = place.raises

local servers = {}

--- The URL of a server of the replica in `dir`, in another process.
local function serve(dir, args)
  local pipe = assert(io.popen(("echo $$; exec env -u LUA_PATH -u LUA_CPATH '%s/prophet' --db '%s' serve --listen 127.0.0.1:0 --quiet %s 2>&1")
    :format(cli.build, dir, args or "")))
  local pid = math.tointeger(pipe:read "n")
  servers[#servers + 1] = { pid = pid, pipe = pipe }
  pipe:read "l"
  local line = assert(pipe:read "l", "the server did not start")
  return assert(line:match "http://127%.0%.0%.1:%d+", line)
end

local function add(db, summary)
  db.types.ticket:create { summary = summary }
end

describe("a live peer in another process", function()
  local ann, tokens
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    add(ann, "first")
    tokens = place.path "tokens"
    cli.write(tokens, "write writer\nread reader\n")
  end)
  after_each(function()
    for i = #servers, 1, -1 do
      os.execute("kill " .. servers[i].pid)
      servers[i].pipe:close()
      servers[i] = nil
    end
    place.leave()
  end)

  local function clone(url, name, options)
    local db = prophet.clone(url, place.path(name), options)
    db:close()
    return place.open(name)
  end

  it("is cloned, pulled from, pushed to and synced with", function()
    local url = serve(ann.path, "--token-file " .. tokens)
    local bob = clone(url, "bob", { token = "reader" })
    assert.equal(ann:digest(), bob:digest())
    assert.equal(0, bob:pull(url, { token = "reader" }).changesets)
    add(ann, "second")
    assert.equal(1, bob:pull(url, { token = "reader", dry_run = true }).changesets)
    assert.not_equal(ann:digest(), bob:digest())
    assert.equal(1, bob:pull(url, { token = "reader" }).changesets)
    assert.equal(ann:digest(), bob:digest())
    add(bob, "third")
    assert.equal(1, bob:push(url, { token = "writer", dry_run = true }).changesets)
    assert.not_equal(ann:digest(), bob:digest())
    assert.equal(1, bob:push(url, { token = "writer" }).changesets)
    assert.equal(ann:digest(), bob:digest())
    assert.equal(0, bob:push(url, { token = "writer" }).changesets)
    add(bob, "fourth")
    add(ann, "fifth")
    bob:sync(url .. "/", { token = "writer" })
    assert.equal(ann:digest(), bob:digest())
    local bundle = bob:bundle(place.path "since.prophet-bundle", { since = url })
    assert.equal(0, bundle.changesets)
  end)

  it("is pulled from by a sync that may not push, which says both", function()
    local url = serve(ann.path, "--token-file " .. tokens)
    local bob = clone(url, "bob", { token = "reader" })
    cli.write(place.path "reader", "reader\n")
    local function sync(...)
      add(ann, "news")
      return cli.run(place.dir, "prophet", { "--db", "bob", "sync", url, "--token-file", "reader", ... })
    end
    add(bob, "for ann")
    local ran = sync()
    assert.equal(9, ran.status)
    assert.truthy(ran.out:find("^pulled 1 changeset from 1 replica, [%d.]+ s\n"), ran.out)
    assert.truthy(ran.err:find("this token is for reading only (pushing wants a token that may write", 1, true), ran.err)
    ran = sync "--json"
    assert.equal(1, prophet.json.decode(ran.out).pull.changesets)
    assert.is_nil(prophet.json.decode(ran.out).push)
    assert.equal("readonly", prophet.json.decode(ran.err).error.code)
    add(ann, "more")
    local err = raises("readonly", bob.sync, bob, url, { token = "reader" })
    assert.equal(1, err.value.pull.changesets)
    assert.truthy(tostring(err.value):find "^pulled 1 changeset")
    raises("network", bob.sync, bob, "http://127.0.0.1:1")
  end)

  -- A connection that breaks: what a signature had proven is kept, and the rest is asked for again.
  it("is asked again when a transfer breaks off", function()
    for i = 1, 3000 do add(ann, "number " .. i) end
    local url, log = serve(ann.path), place.path "cuts"
    local proxy = assert(io.popen(("echo $$; exec python3 '%s/tests/support/cut_proxy.py' %s 2 200000 > '%s'")
      :format(cli.source, url:match "%d+$", log)))
    servers[#servers + 1] = { pid = math.tointeger(proxy:read "n"), pipe = proxy }
    local port
    while not port do
      local file = io.open(log)
      port = file and file:read "n"
      if file then file:close() end
    end
    local bob = place.open(prophet.clone(ann.path, place.path "bob"):close() or "bob")
    for i = 1, 3000 do add(ann, "more " .. i) end
    local report = bob:pull("http://127.0.0.1:" .. port)
    assert.equal(3000, report.changesets)
    assert.equal(ann:digest(), bob:digest())
    local cuts = select(2, cli.read(log):gsub("cut", ""))
    assert.equal(2, cuts)
  end)

  it("takes nothing where nobody may push", function()
    local url = serve(ann.path)
    local bob = clone(url, "bob")
    add(bob, "second")
    raises("readonly", bob.push, bob, url)
    assert.not_equal(bob:digest(), ann:digest())
  end)

  -- A program that does what ssh does: the last word is a line for a shell over there, where PATH is another.
  local function fake_ssh(path, body)
    local ssh = place.path "ssh"
    cli.write(ssh, "#!/bin/sh\nfor line; do :; done\n" .. (body or ("PATH='%s' exec /bin/sh -c \"$line\"\n"):format(path)))
    os.execute(("chmod +x '%s'"):format(ssh))
    return { env = "PROPHET_SSH='" .. ssh .. "'" }
  end

  -- clone, pull and push; a live sync ends instead of trying again.
  local function fails(how, status, url, ...)
    for _, args in ipairs { { "clone", url, "x" }, { "--db", ann.path, "pull", url }, { "--db", ann.path, "push", url },
      { "--db", ann.path, "sync", "--live", url }, { "--db", ann.path, "--json", "pull", url } } do
      local ran = cli.run(place.dir, "prophet", args, how)
      assert.equal(status, ran.status, ran.err)
      for _, words in ipairs { ... } do assert.truthy(ran.err:find(words, 1, true), ran.err) end
      assert.equal(1, #cli.lines(ran.err), ran.err)
    end
  end

  it("over a pipe says what there is no program for", function()
    local url = "ssh://host.example" .. ann.path
    fails({ env = "PROPHET_SSH=/nope" }, 3, url, "not_found", "there is no program /nope here", "install ssh, or set PROPHET_SSH")
    fails(fake_ssh(nil, "exec 2>/dev/null\nPATH=/nope exec /bin/sh -c \"$line\"\n"), 6, url, "remote", "the far end has no program prophet", "install it there")
  end)

  it("over a pipe says that there is no database, as the error and nothing besides", function()
    local how = fake_ssh(cli.build .. ":/usr/bin:/bin")
    fails(how, 3, "ssh://host.example" .. place.path "none", "not_found", "ssh://host.example" .. place.path "none", "is not a replica", "/~/PATH")
  end)

  it("over a pipe is lost when ssh does not get there", function()
    local how = fake_ssh(nil, "exit 255\n")
    local ran = cli.run(place.dir, "prophet", { "--db", ann.path, "pull", "ssh://host.example/x" }, how)
    assert.equal(6, ran.status)
    assert.truthy(ran.err:find("network: ssh://host.example/x: ssh does not get there", 1, true), ran.err)
  end)

  it("answers over a pipe as well", function()
    local how = fake_ssh(cli.build .. ":/usr/bin:/bin")
    local url = "ssh://host.example" .. ann.path
    local function ok(...)
      local ran = cli.run(place.dir, "prophet", { ... }, how)
      assert.equal(0, ran.status, ran.err)
    end
    ok("clone", url, "bob")
    local bob = place.open "bob"
    assert.equal(ann:digest(), bob:digest())
    add(ann, "second")
    ok("--db", "bob", "pull", url)
    assert.equal(ann:digest(), bob:digest())
    add(bob, "third")
    ok("--db", "bob", "push", url)
    assert.equal(ann:digest(), bob:digest())
    add(ann, "fourth")
    add(bob, "fifth")
    ok("--db", "bob", "sync", url)
    assert.equal(ann:digest(), bob:digest())
    local visitor = place.list(ann:peers())[1] -- who came by ssh is known as well
    assert.same({ bob.replica, 0, 0 }, { visitor.replica, visitor.ahead, visitor.behind })
    local eve = place.tracker "eve"
    local ran = cli.run(place.dir, "prophet", { "--db", eve.path, "push", url }, how)
    assert.not_equal(0, ran.status)
    assert.truthy(ran.err:find("unrelated", 1, true), ran.err)
  end)
end)
