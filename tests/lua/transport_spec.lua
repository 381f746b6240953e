-- prophet.transport{}: what a script may say. What transports do is asked by tests/unit/script_transport_test.c.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local cli = require "cli_support"
local raises = place.raises

local function transport(more)
  local t = { scheme = "spec", open = function() return {} end, get = function() return nil end }
  for k, v in pairs(more or {}) do t[k] = v end
  return t
end

describe("a transport", function()
  after_each(function() prophet.try(prophet.transport, { scheme = "spec" }) end)

  it("is added once, and taken away", function()
    prophet.transport(transport())
    raises("exists", prophet.transport, transport())
    prophet.transport { scheme = "spec" }
    raises("not_found", prophet.transport, { scheme = "spec" })
    prophet.transport(transport())
  end)

  it("does not take the place of one that comes with the library", function()
    for _, scheme in ipairs { "file", "http", "https", "dav", "davs", "s3", "s3+http", "s3+https", "rsync", "rsync+ssh" } do
      raises("exists", prophet.transport, transport { scheme = scheme })
      raises("not_found", prophet.transport, { scheme = scheme })
    end
  end)

  it("is a table with functions that are known", function()
    raises("usage", prophet.transport, "spec")
    raises("usage", prophet.transport, { scheme = "spec", open = function() end })
    raises("usage", prophet.transport, transport { get = "text" })
    raises("usage", prophet.transport, transport { scheme = 5 })
    for _, scheme in ipairs { "", "Spec", "a b", "5x", ("x"):rep(40) } do
      local e = raises("usage", prophet.transport, transport { scheme = scheme })
      assert.equal(('"%s" is no scheme'):format(scheme), e.message)
      assert.truthy(e.hint:find("lower-case", 1, true))
    end
    local e = raises("usage", prophet.transport, transport { remvoe = function() end })
    assert.truthy(e.hint:find "remove")
  end)

  it("carries a depot like those of the library", function()
    place.enter()
    local store = {}
    local memory = transport {
      open = function() return store end,
      get = function(files, name) return files[name], nil, files[name] and #files[name] end,
      put = function(files, name, body) files[name] = body:all() end,
      list = function(files) return pairs(files) end, -- wrong: contents are no sizes
      remove = function(files, name)
        local there = files[name] ~= nil
        files[name] = nil
        return there
      end,
    }
    local ann = place.tracker "ann"
    ann.types.ticket:create { summary = "Crash" }
    prophet.transport(memory)
    raises("remote", ann.publish, ann, "spec:bugs")
    prophet.transport { scheme = "spec" }
    store = {}
    memory.list = function(files)
      local names = {}
      for name in pairs(files) do names[#names + 1] = name end
      return names
    end
    prophet.transport(memory)
    assert.equal(2, ann:publish("spec:bugs").changesets)
    local bob <close> = prophet.clone("spec:bugs", place.path "bob", { user = "bob@example.org" })
    assert.equal(ann:digest(), bob:digest())
    bob.types.ticket:create { summary = "Second" }
    bob:publish "spec:bugs"
    assert.equal(1, ann:pull("spec:bugs").changesets)
    assert.equal(ann:digest(), bob:digest())
    assert.truthy(tostring(ann:pull "spec:bugs"):find "^nothing new")
    for name, bytes in pairs(store) do store[name] = bytes:sub(1, -2) end -- what comes back is looked at
    assert.is_false(pcall(prophet.clone, "spec:bugs", place.path "cyd"))
    bob:close()
    prophet.transport { scheme = "spec" }
    place.leave()
  end)

  it("hears the token, the authority and the proxy of who asks", function()
    place.enter()
    local heard
    prophet.transport(transport { open = function(_, options)
      heard = options
      return {}
    end })
    local ann = place.tracker "ann"
    local way = { token = "secret", cacert = "ca.pem", proxy = "" }
    raises("not_found", ann.pull, ann, "spec:x", way)
    assert.same({ "secret", "ca.pem", "" }, { heard.token, heard.cacert, heard.proxy })
    raises("not_found", prophet.clone, "spec:x", place.path "bob", way)
    assert.same({ "secret", "ca.pem", "" }, { heard.token, heard.cacert, heard.proxy })
    raises("not_found", ann.pull, ann, "spec:x")
    assert.is_nil(heard.token)
    raises("usage", ann.pull, ann, "spec:x", { token = 5 })
    raises("usage", ann.pull, ann, "spec:x", { tokn = "x" })
    prophet.transport { scheme = "spec" }
    place.leave()
  end)

  it("is reached by the command line with a token from a file, which nobody is told", function()
    place.enter()
    place.tracker("ann"):close()
    cli.write(place.path "token", "  s3cret-token \n")
    cli.write(place.path "empty", "\n")
    local function run(...)
      local r = cli.run(place.dir, "prophet", { ... })
      assert.is_nil((r.out .. r.err):find "s3cret")
      return r.status
    end
    local url = "http://127.0.0.1:1/x"
    assert.equal(6, run("--db", "ann", "pull", url, "--token-file", "token", "--proxy", ""))
    assert.equal(6, run("--db", "ann", "sync", url, "--token-file", "token", "--proxy", ""))
    assert.equal(6, run("clone", url, "bob", "--token-file", "token", "--proxy", ""))
    assert.equal(3, run("--db", "ann", "pull", url, "--token-file", "none"))
    assert.equal(2, run("--db", "ann", "pull", url, "--token-file", "empty"))
    assert.equal(0, run("--db", "ann", "publish", "new.depot", "--token-file", "token", "--cacert", "none.pem"))
    place.leave()
  end)
end)
