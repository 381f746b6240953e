-- prophet.transport{}: what a script may say. What transports do is asked by tests/unit/script_transport_test.c.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
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
      raises("usage", prophet.transport, transport { scheme = scheme })
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
end)
