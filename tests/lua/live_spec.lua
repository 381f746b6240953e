-- pull, push and clone against a live peer: a server of this process, over loopback HTTP.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local place = require "place"
local prophet = require "prophet"
local raises = place.raises

describe("a live peer", function()
  local ann, server
  local function serve(options)
    options.listen, options.background = "127.0.0.1:0", true
    server = ann:serve(options)
    return server.url
  end
  local function ticket(db, summary)
    return db.types.ticket:create { summary = summary }
  end
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    ticket(ann, "first")
  end)
  after_each(function()
    if server then server:close() end
    server = nil
    place.leave()
  end)

  it("is cloned, and pulled from until nothing is new", function()
    local url = serve {}
    local bob <close> = prophet.clone(url, place.path "bob")
    assert.equal(ann:digest(), bob:digest())
    assert.equal(0, bob:pull(url).changesets)
    for i = 1, 20 do ticket(ann, "more " .. i) end
    local report = bob:pull(url)
    assert.equal(20, report.changesets)
    assert.equal(ann:digest(), bob:digest())
    assert.equal(0, bob:pull(url).changesets)
  end)

  it("says what a pull would bring, and brings nothing then", function()
    local url = serve {}
    local bob <close> = prophet.clone(url, place.path "bob")
    local before = bob:digest()
    ticket(ann, "second")
    local report = bob:pull(url, { dry_run = true })
    assert.equal(1, report.changesets)
    assert.equal(1, report.replicas)
    assert.equal(before, bob:digest())
  end)

  it("takes what is pushed with a token that may write", function()
    local url = serve { token = "wonder" }
    local bob <close> = prophet.clone(url, place.path "bob", { token = "wonder" })
    ticket(bob, "from bob")
    assert.equal(1, bob:push(url, { token = "wonder" }).changesets)
    assert.equal(bob:digest(), ann:digest())
    assert.equal(0, bob:push(url, { token = "wonder" }).changesets)
  end)

  it("brings what two wrote at once together, by a pull and a push", function()
    local url = serve { token = "wonder" }
    local bob <close> = prophet.clone(url, place.path "bob", { token = "wonder" })
    local t = ann.types.ticket:find({}):one()
    bob.types.ticket:must(t.id):set { summary = "bob's" }
    t:set { summary = "ann's" }
    local report = bob:pull(url, { token = "wonder" })
    assert.equal(1, report.conflicts)
    bob:push(url, { token = "wonder" })
    assert.equal(bob:digest(), ann:digest())
  end)

  it("refuses a push without the right, and nothing is applied", function()
    local url = serve { token = "wonder", read_token = "look" }
    local bob <close> = prophet.clone(url, place.path "bob", { token = "look" })
    ticket(bob, "from bob")
    local before = ann:digest()
    for token, code in pairs { look = "readonly", wrong = "remote" } do
      local e = raises(code, bob.push, bob, url, { token = token })
      assert.is_nil(tostring(e):find(token, 1, true))
      assert.equal(before, ann:digest())
    end
  end)

  it("refuses a pull with a wrong token", function()
    local url = serve { token = "wonder", read_token = "look" }
    local e = raises("remote", prophet.clone, url, place.path "bob", { token = "wrong" })
    assert.truthy(tostring(e):find("token", 1, true))
    raises("not_found", prophet.open, place.path "bob")
  end)

  it("of another database is unrelated, and nothing is applied", function()
    local url = serve { token = "wonder" }
    local eve <close> = place.tracker "eve"
    ticket(eve, "elsewhere")
    local here, there = eve:digest(), ann:digest()
    raises("unrelated", eve.pull, eve, url, { token = "wonder" })
    raises("unrelated", eve.push, eve, url, { token = "wonder" })
    assert.same({ here, there }, { eve:digest(), ann:digest() })
  end)

  it("that is gone is a fault of the network", function()
    local url = serve {}
    local bob <close> = prophet.clone(url, place.path "bob")
    server:close()
    server = nil
    local err = raises("network", bob.pull, bob, url)
    assert.truthy(err.message:find(url, 1, true))
    assert.is_nil(err.message:find "%d m%a*s") -- a time would make it another reason each time
  end)
end)
