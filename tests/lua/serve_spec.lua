-- db:serve and `prophet serve`: opening, options, the end. What is answered is tested by tests/unit/serve_*.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local place = require "place"
local raises = place.raises

describe("a server", function()
  local ann
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
  end)
  after_each(place.leave)

  it("listens in the background at the port that is free", function()
    local server <close> = ann:serve { listen = "127.0.0.1:0", background = true }
    assert.truthy(server.url:find "^http://127%.0%.0%.1:%d+$")
    assert.is_false(server:wait(0))
    assert.truthy(tostring(server):find(server.url, 1, true))
    local other <close> = ann:serve { listen = ":0", background = true }
    assert.not_equal(server.url, other.url)
    raises("busy", ann.serve, ann, { listen = server.url:match "//(.*)", background = true })
  end)

  it("ends when it is closed, and then says so", function()
    local server = ann:serve { listen = "127.0.0.1:0", background = true }
    local address = server.url:match "//(.*)"
    server:close()
    server:close()
    raises("usage", server.wait, server, 0)
    assert.truthy(tostring(server):find "closed")
    local again <close> = ann:serve { listen = address, background = true }
    assert.equal(server.url, again.url)
  end)

  it("serves until a callback closes it", function()
    local seen
    ann:serve { listen = "127.0.0.1:0", ready = function(server)
      seen = server.url
      server:close()
    end }
    assert.truthy(seen:find "^http:")
  end)

  it("outlives the handle it was made with", function()
    local bob = place.clone(ann, "bob")
    local server <close> = bob:serve { listen = "127.0.0.1:0", background = true }
    bob:close()
    assert.is_false(server:wait(0))
  end)

  it("says what is wrong with options", function()
    local function bad(options, words)
      options.background = true
      options.listen = options.listen or "127.0.0.1:0"
      assert.truthy(tostring(raises("usage", ann.serve, ann, options)):find(words))
    end
    bad({ tokn = "x" }, "token")
    bad({ token = 5 }, "text")
    bad({ token = "two words" }, "token")
    bad({ tokens = { { token = "x" } } }, "right")
    bad({ tls = "cert.pem" }, "tls")
    bad({ listen = "127.0.0.1:http" }, "address")
    bad({ timeout = -1 }, "timeout")
    raises("not_found", ann.serve, ann, { tls = { cert = place.path "none", key = place.path "none" }, background = true })
    raises("usage", ann.change, ann, function() ann:serve { background = true } end)
  end)

  it("writes its log to a file, and no token", function()
    local path = place.path "access.log"
    local server = ann:serve { listen = "127.0.0.1:0", background = true, log = path, token = "secret" }
    server:close()
    assert.truthy(io.open(path))
    raises("io", ann.serve, ann, { log = place.path "none/x", background = true })
  end)
end)
