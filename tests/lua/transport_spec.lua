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
end)
