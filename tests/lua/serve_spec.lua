-- db:serve and `prophet serve`: opening, options, the end. What is answered is tested by tests/unit/serve_*.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local place = require "place"
local cli = require "cli_support"
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
    bad({ hosts = "bugs.example" }, "list")
    bad({ tls = "cert.pem" }, "tls")
    bad({ listen = "127.0.0.1:http" }, "address")
    bad({ timeout = -1 }, "timeout")
    raises("not_found", ann.serve, ann, { tls = { cert = place.path "none", key = place.path "none" }, background = true })
    raises("usage", ann.change, ann, function() ann:serve { background = true } end)
  end)

  -- What is not understood must not open what tokens were to close.
  it("refuses tokens of another shape, and names none", function()
    local function bad(tokens, words)
      local err = raises("usage", ann.serve, ann, { listen = "127.0.0.1:0", background = true, tokens = tokens })
      assert.truthy(tostring(err):find(words), tostring(err))
      assert.is_nil(tostring(err):find("secret", 1, true))
      assert.truthy(err.hint:find('right = "read" or "write"', 1, true))
    end
    bad("secret", "is a string, not a list")
    bad({}, "no token")
    bad({ read = "secret" }, "list")
    bad({ write = "secret" }, "list")
    bad({ secret = "read" }, "list")
    bad({ "secret" }, "number 1 says no right")
    bad({ { token = "secret" } }, "number 1 says no right")
    bad({ { token = "secret", right = "both" } }, "number 1 says no right")
    bad({ { token = "secret", right = "read", secret = true } }, "more than")
    bad({ { token = "secret", right = "read" }, [3] = { token = "secret", right = "read" } }, "list")
    bad({ { token = "secret", right = "read" }, read = "secret" }, "list")
  end)

  it("reads tokens from a file that says what each opens, and from no other", function()
    local path = place.path "tokens"
    local function try(text)
      cli.write(path, text)
      return cli.run(place.dir, "prophet", { "--db", "ann", "serve", "--token-file", "tokens", "--listen", "127.0.0.1:0", "--dry-run" })
    end
    for line, at in pairs { ["read: secret"] = 2, ["read secret extra"] = 2, ["read"] = 2, ["write"] = 2, ["bogus line here"] = 2, ["read=secret"] = 2,
      ["readsecret"] = 2, ["secret"] = 2, ["both secret"] = 2, ["Read secret"] = 2 } do
      local ran = try("# who may what\n" .. line .. "\n\nwrite secret\n")
      assert.equal(2, ran.status, line)
      assert.truthy(ran.err:find("tokens, line " .. at, 1, true), ran.err)
      assert.is_nil(ran.err:find("secret", 1, true), ran.err)
    end
    for _, text in ipairs { "", "\n \n\n", "# none yet\n" } do
      local ran = try(text)
      assert.equal(2, ran.status, text)
      assert.truthy(ran.err:find("the token file tokens has no token", 1, true), ran.err)
    end
    assert.equal(0, try("\n# comment\n  read secret\r\nwrite\tother").status)
  end)

  it("that is open to others says that they can read", function()
    local function serve(listen, tokens)
      cli.write(place.path "tokens", tokens or "")
      local pipe = assert(io.popen(("echo $$; cd '%s'; exec env -u LUA_PATH -u LUA_CPATH '%s/prophet' --db ann serve --listen %s %s --log log 2>&1")
        :format(place.dir, cli.build, listen, tokens and "--token-file tokens" or "")))
      local pid, said = math.tointeger(pipe:read "n"), ""
      for line in pipe:lines() do
        said = said .. line .. "\n"
        if line:find "^serving at" then os.execute("kill " .. pid) end
      end
      pipe:close()
      assert.truthy(said:find "serving at", said)
      return said
    end
    assert.truthy(serve("0.0.0.0:0"):find "everybody who reaches http://0%.0%.0%.0:%d+ can read")
    assert.truthy(serve("0.0.0.0:0", "write secret\n"):find "everybody")
    assert.is_nil(serve("0.0.0.0:0", "read secret\n"):find "everybody")
    assert.is_nil(serve("127.0.0.1:0"):find "everybody")
  end)

  it("writes its log to a file, and no token", function()
    local path = place.path "access.log"
    local server = ann:serve { listen = "127.0.0.1:0", background = true, log = path, token = "secret" }
    server:close()
    assert.truthy(io.open(path))
    raises("io", ann.serve, ann, { log = place.path "none/x", background = true })
  end)
end)
