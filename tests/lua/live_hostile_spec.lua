-- Live peers among rude company: sides that are killed in the middle, clients that dawdle, crowd and shout, redirects to elsewhere, certificates
-- that prove nothing; and what is a depot one day and a live peer the next. Nothing wrong is applied, and the next exchange goes on.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local cli = require "cli_support"
local raises = place.raises

local started = {}

--- A program in the background: its first line of output (skip: lines before that), and its process id.
local function start(command)
  local pipe = assert(io.popen(("echo $$; exec %s 2>&1"):format(command)))
  local pid = math.tointeger(pipe:read "n")
  started[#started + 1] = { pid = pid, pipe = pipe }
  pipe:read "l"
  return assert(pipe:read "l", command), pid
end

local function serve(dir, args)
  local line, pid = start(("env -u LUA_PATH -u LUA_CPATH '%s/prophet' --db '%s' serve --listen 127.0.0.1:0 --quiet %s")
    :format(cli.build, dir, args or ""))
  return assert(line:match "https?://127%.0%.0%.1:%d+", line), pid
end

local function rude(mode, url)
  local pipe = assert(io.popen(("python3 '%s/tests/support/rude.py' %s %s"):format(cli.source, mode, url:match "%d+$")))
  local said = pipe:read "a"
  pipe:close()
  return said
end

describe("a live peer", function()
  local ann, server
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
  end)
  after_each(function()
    if server then server:close() end
    server = nil
    for i = #started, 1, -1 do
      os.execute("kill -9 " .. started[i].pid .. " 2>/dev/null")
      started[i].pipe:close()
      started[i] = nil
    end
    place.leave()
  end)

  local function fill(db, count)
    local note = db.types.ticket:create { summary = "first" }
    for i = 1, count do note = note:set { summary = ("edit %d"):format(i) } end
  end
  -- Kills the process when so many bytes have moved.
  local function killer(pid, stage, bytes)
    local killed = false
    return function(what, done)
      if killed or what ~= stage or done < bytes then return end
      killed = true
      os.execute("kill -9 " .. pid)
    end
  end

  it("that is killed in the middle of a pull is gone on with", function()
    local bob = place.open(prophet.clone(ann.path, place.path "bob"):close() or "bob")
    fill(ann, 20000)
    local url, pid = serve(ann.path)
    raises("network", bob.pull, bob, url, { progress = killer(pid, "fetch", 100000) })
    assert.not_equal(ann:digest(), bob:digest())
    bob:pull((serve(ann.path)))
    assert.equal(ann:digest(), bob:digest())
    assert.equal(0, bob:check().faults)
  end)

  it("that is killed in the middle of a push is gone on with", function()
    local bob = place.open(prophet.clone(ann.path, place.path "bob"):close() or "bob")
    fill(bob, 20000)
    local url, pid = serve(ann.path, "--token t")
    raises("network", bob.push, bob, url, { token = "t", progress = killer(pid, "push", 100000) })
    url = serve(ann.path, "--token t")
    bob:push(url, { token = "t" })
    assert.equal(bob:digest(), ann:digest())
    assert.equal(0, ann:check().faults)
  end)

  it("ends who dawdles", function()
    server = ann:serve { listen = "127.0.0.1:0", background = true, timeout = 1 }
    local seconds = tonumber(rude("drip", server.url):match "^cut (%S+)")
    assert.is_true(seconds < 5, ("ended after %.1f s"):format(seconds))
    local bob <close> = prophet.clone(server.url, place.path "bob")
    assert.equal(ann:digest(), bob:digest())
  end)

  it("lets go of who leaves in the middle of a message", function()
    server = ann:serve { listen = "127.0.0.1:0", background = true }
    local seconds = tonumber(rude("leave", server.url))
    assert.is_true(seconds < 10, ("ended after %.1f s"):format(seconds)) -- and not when nothing came for 30
  end)

  it("keeps half of its connections for one address, and not one more", function()
    server = ann:serve { listen = "127.0.0.1:0", background = true, connections = 10 }
    assert.equal("5 5\n", rude("crowd", server.url))
    local bob <close> = prophet.clone(server.url, place.path "bob")
    assert.equal(ann:digest(), bob:digest())
  end)

  it("takes no header and no message without end", function()
    server = ann:serve { listen = "127.0.0.1:0", background = true }
    local said = rude("headers", server.url)
    assert.truthy(said:find "^431" or said:find "^cut" or said:find "^413", said)
    assert.truthy(rude("body", server.url):find "^413")
    local bob <close> = prophet.clone(server.url, place.path "bob")
    assert.equal(ann:digest(), bob:digest())
  end)

  it("is not looked for where another scheme is", function()
    local before = ann:digest()
    for _, to in ipairs { "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:1/x", "ssh://127.0.0.1/x" } do
      local port = start(("python3 '%s/tests/support/rude.py' redirect %s"):format(cli.source, to))
      raises("remote", ann.pull, ann, "http://127.0.0.1:" .. port)
      raises("remote", ann.push, ann, "http://127.0.0.1:" .. port)
    end
    assert.equal(before, ann:digest())
  end)

  it("is not looked for where a depot was, which takes one request if nothing is new", function()
    local depot, log = place.path "x.depot", place.path "asked"
    ann:publish(depot)
    os.execute(("python3 '%s/tests/support/rude.py' files '%s' >'%s' 2>&1 & echo $! >'%s.pid'"):format(cli.source, depot, log, log))
    started[#started + 1] = { pid = math.tointeger(tonumber(cli.read(log .. ".pid"))), pipe = assert(io.popen "true") }
    local function asked()
      local lines = cli.lines(cli.read(log) or "")
      return table.move(lines, 2, #lines, 1, {}), lines[1]
    end
    local port
    repeat port = select(2, asked()) until port
    local url = "http://127.0.0.1:" .. port
    local bob = place.open(prophet.clone(url, place.path "bob"):close() or "bob")
    local before = #asked()
    assert.equal(0, bob:pull(url).changesets)
    assert.same({ "GET /prophet-depot" }, table.move(asked(), before + 1, #asked(), 1, {}))
    ann.types.ticket:create { summary = "second" }
    ann:publish(depot)
    assert.equal(1, bob:pull(url).changesets)
    os.execute("kill -9 " .. started[#started].pid)
    ann.types.ticket:create { summary = "third" }
    for _ = 1, 1000 do -- until the one that was killed has let go of the port
      local ok, made = pcall(ann.serve, ann, { listen = "127.0.0.1:" .. port, background = true })
      if ok then
        server = made
        break
      end
      assert.equal("busy", made.code)
      os.execute "sleep 0.01"
    end
    assert.equal(1, bob:pull(url).changesets)
    assert.equal(ann:digest(), bob:digest())
  end)

  it("over TLS is believed if its certificate fits", function()
    local function certificate(name, days, who)
      assert(os.execute(([[cd '%s' && openssl req -newkey ed25519 -nodes -subj /CN=%s -keyout %s.key -out %s.csr 2>/dev/null &&
        printf 'subjectAltName=%s' > %s.ext && openssl x509 -req -in %s.csr -signkey %s.key -days %d -extfile %s.ext -out %s.pem 2>/dev/null]])
        :format(place.dir, name, name, name, who, name, name, name, days, name, name)))
      return ("--tls '%s/%s.pem' '%s/%s.key'"):format(place.dir, name, place.dir, name), place.path(name .. ".pem")
    end
    local tls, pem = certificate("good", 2, "IP:127.0.0.1")
    local url = serve(ann.path, tls)
    assert.truthy(url:find "^https:")
    raises("remote", prophet.clone, url, place.path "bob")
    local bob = place.open(prophet.clone(url, place.path "bob", { cacert = pem }):close() or "bob")
    assert.equal(ann:digest(), bob:digest())
    ann.types.ticket:create { summary = "second" }
    for name, how in pairs { other = { 2, "DNS:other.example" }, late = { -1, "IP:127.0.0.1" } } do
      local before = bob:digest()
      local bad, authority = certificate(name, how[1], how[2])
      raises("remote", bob.pull, bob, serve(ann.path, bad), { cacert = authority })
      assert.equal(before, bob:digest())
    end
    assert.equal(1, bob:pull(url, { cacert = pem }).changesets)
    local err = raises("remote", bob.pull, bob, (serve(ann.path):gsub("^http", "https")))
    assert.truthy(err.hint:find("http://", 1, true))
    err = raises("network", bob.pull, bob, (url:gsub("^https", "http")))
    assert.truthy(err.hint:find("https://", 1, true))
  end)
end)
