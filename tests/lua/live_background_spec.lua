-- Live syncs in the background: a script goes on with its work, and db:poll and db:run do what is due.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"
local cli = require "cli_support"
local support = require "live_support"
local raises = place.raises

local await, add = support.await, support.add

describe("a live sync in the background", function()
  local ann, bob, server
  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    bob = place.clone(ann, "bob")
    server = ann:serve { listen = "127.0.0.1:0", background = true, token = "let-me-in" }
    bob.remotes.web = { url = server.url, token = "let-me-in" }
  end)
  after_each(function()
    server:close()
    place.leave()
  end)

  local function sync(options)
    local all = { live = true, background = true }
    for k, v in pairs(options or {}) do all[k] = v end
    local other = all.with or "web"
    all.with = nil
    return bob:sync(other, all)
  end
  local function has(db, t)
    return db.types.ticket:get(t.id) ~= nil
  end

  it("exchanges at once, and then whenever it is polled", function()
    local before = add(bob, "written before")
    local reports = {}
    local live <close> = sync { synced = function(report) reports[#reports + 1] = report end }
    assert.is_true(has(ann, before))
    assert.equal(1, reports[1].push.changesets)
    assert.equal("prophet.live web", tostring(live))
    assert.equal("web", live.other)
    local his = add(bob, "his")
    assert.is_false(has(ann, his)) -- nothing runs by itself
    bob:poll()
    assert.is_true(has(ann, his))
    local hers = add(ann, "hers")
    await(bob, "hers arrives", function() return has(bob, hers) end)
    assert.equal(1, reports[#reports].pull.changesets)
    live:close()
    live:close()
    local after = add(bob, "after")
    bob:poll()
    assert.is_false(has(ann, after))
    assert.equal("prophet.live web (closed)", tostring(live))
  end)

  -- One question is held meanwhile: it is the other side that ends it.
  it("wakes db:run when something is new over there", function()
    local _ <close> = sync()
    local heard
    bob:on("changeset", function(_, origin)
      heard = origin
      return false
    end)
    local writer = assert(io.popen(("read line; env -u LUA_PATH -u LUA_CPATH '%s/prophet' --db '%s' create ticket summary=hers >/dev/null")
      :format(cli.build, ann.path), "w"))
    writer:write "go\n" -- it begins when bob may be waiting already
    writer:flush()
    bob:run(support.DEADLINE)
    writer:close()
    assert.equal(ann.replica, heard.replica)
    assert.equal(ann:digest(), bob:digest())
  end)

  it("may be one of several, with whomever", function()
    local carol, depot = place.clone(ann, "carol"), place.path "bugs.depot"
    local dave = place.clone(ann, "dave")
    local web <close> = sync()
    local directory <close> = sync { with = carol.path }
    local files <close> = sync { with = depot }
    local from_files <close> = dave:sync(depot, { live = true, background = true })
    add(ann, "ann's")
    add(carol, "carol's")
    add(dave, "dave's")
    await(bob, "all are equal", function()
      dave:poll()
      return ann:digest() == bob:digest() and bob:digest() == carol:digest() and carol:digest() == dave:digest()
    end)
    for _, one in ipairs { web, directory, files, from_files } do assert.is_nil(one.lost) end
  end)

  it("says how it stands while the way is lost, and finds it again", function()
    local lost, synced = {}, 0
    local live <close> = sync {
      lost = function(err, seconds) lost[#lost + 1] = { err.code, seconds } end,
      synced = function() synced = synced + 1 end,
    }
    local address = server.url:match "//(.*)"
    server:close()
    local t = add(bob, "while nobody serves")
    await(bob, "it is tried again", function() return #lost >= 4 end)
    for i = 2, 4 do assert.is_true(lost[i][2] == 2 * lost[i - 1][2], i) end
    assert.same({ "network", 0.1 }, lost[1])
    assert.equal("network", live.lost.code)
    assert.equal("prophet.live web (lost)", tostring(live))
    -- who answers, but lets nobody in
    server = ann:serve { listen = address, background = true, token = "another", read_token = "reader" }
    await(bob, "it is refused", function() return lost[#lost][1] == "remote" end)
    server:close()
    server = ann:serve { listen = address, background = true, token = "let-me-in" }
    await(bob, "it is back", function() return has(ann, t) end)
    assert.is_nil(live.lost)
    assert.equal(2, synced) -- the first, and that it is back
  end)

  it("is ended by who is told, and by what cannot be mended; not by what they raise", function()
    local live = sync { synced = function() return false end }
    assert.equal("prophet.live web (closed)", tostring(live))
    local itself
    itself = sync { synced = function() if itself then itself:close() end end }
    add(bob, "one")
    bob:poll()
    assert.equal("prophet.live web (closed)", tostring(itself))
    local count = 0
    local loud <close> = sync { synced = function()
      count = count + 1
      if count > 1 then error "enough" end
    end }
    add(bob, "two")
    raises("script", bob.poll, bob)
    add(bob, "three")
    raises("script", bob.poll, bob)
    assert.equal(ann:digest(), bob:digest())
    assert.equal(3, count)
    server:close()
    server = ann:serve { listen = server.url:match "//(.*)", background = true, readonly = true }
    loud:close()
    local short = sync()
    add(bob, "four")
    raises("readonly", bob.poll, bob)
    assert.truthy(tostring(short):find "closed")
    bob:poll()
  end)

  it("ends with its database, and is refused where it makes no sense", function()
    local live = sync()
    raises("usage", bob.change, bob, function() bob:poll() end)
    assert.truthy(tostring(live) == "prophet.live web") -- called at a wrong moment, no more
    raises("usage", bob.sync, bob, "web", { background = true })
    raises("usage", sync, { progress = function() end })
    raises("usage", sync, { with = bob.path })
    raises("not_found", sync, { with = place.path "nowhere" })
    local eve = place.tracker "eve"
    raises("unrelated", sync, { with = eve.path })
    raises("usage", function() return live.nonsense end)
    raises("usage", sync, { synced = function() bob:close() end })
    bob:close()
    live:close()
  end)

  -- Counted by a place of this process: what is quiet is looked at after 1, 2, 4 .. s, and nothing but its root.
  it("looks at a quiet depot more and more seldom", function()
    local files, asked, n = {}, {}, 0
    prophet.transport {
      scheme = "quiet",
      open = function() return files end,
      get = function(_, name, want)
        asked[#asked + 1] = { name, prophet.now().ms }
        local f = files[name]
        if not f then return nil end
        if f.etag == want.known then return true end
        return f.bytes, f.etag, #f.bytes
      end,
      put = function(_, name, body)
        n = n + 1
        files[name] = { bytes = body:all(), etag = "v" .. n }
        return files[name].etag
      end,
      list = function()
        local names = {}
        for name in pairs(files) do names[#names + 1] = name end
        return names
      end,
      remove = function(_, name)
        files[name] = nil
        return true
      end,
    }
    local _ <close> = sync { with = "quiet:x" }
    await(bob, "its own publish was looked at", function()
      local before = #asked
      bob:run(1.1)
      return #asked == before + 1
    end)
    local from = #asked
    await(bob, "it looks again", function() return #asked > from end)
    assert.equal("prophet-depot", asked[#asked][1])
    assert.is_true(asked[#asked][2] - asked[from][2] >= 1900, asked[#asked][2] - asked[from][2])
    assert.equal(from + 1, #asked)
    local t = add(bob, "news")
    bob:poll()
    local carol <close> = prophet.clone("quiet:x", place.path "carol")
    assert.truthy(carol.types.ticket:get(t.id))
    prophet.transport { scheme = "quiet" }
  end)
end)
