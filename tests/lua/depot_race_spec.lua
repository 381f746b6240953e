-- Depots in the middle of something: somebody else publishes, a copy of the same replica or the first who seals; the way there breaks off.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local prophet = require "prophet"
local place = require "place"

describe("a depot in the middle of something", function()
  local ann, files, meanwhile, reads
  before_each(function()
    local count = 0
    place.enter()
    files, meanwhile, reads = {}, {}, {}
    ann = place.tracker "ann"
    ann.types.ticket:create { summary = "Crash" }
    prophet.transport {
      scheme = "shelf",
      open = function() return files end,
      get = function(_, name)
        local f = files[name]
        if not f then return nil end
        if #name == 129 then reads[#reads + 1] = name end
        if #reads == meanwhile.down then prophet.error.raise { code = "network", message = "nobody answers" } end
        return f.bytes, f.etag, #f.bytes
      end,
      put = function(_, name, body, how)
        local last = name:match "[^/]+$"
        local first = meanwhile[last] or meanwhile.any
        meanwhile[last], meanwhile.any = nil, nil
        if first then first() end
        local f = files[name]
        if how.absent and f then prophet.error.raise { code = "exists", message = "there is one" } end
        if how.etag and not (f and f.etag == how.etag) then prophet.error.raise { code = "stale", message = "it has changed" } end
        count = count + 1
        files[name] = { bytes = body:all(), etag = "v" .. count }
        return files[name].etag
      end,
      list = function()
        local names = {}
        for name, f in pairs(files) do names[#names + 1] = { name = name, size = #f.bytes } end
        local i = 0
        return function()
          i = i + 1
          if names[i] then return names[i].name, names[i].size end
        end
      end,
      remove = function(_, name)
        local was = files[name] ~= nil
        files[name] = nil
        return was
      end,
    }
  end)
  after_each(function()
    prophet.transport { scheme = "shelf" }
    place.leave()
  end)

  -- What a clone of the depot has.
  local function summaries(options)
    local clone <close> = prophet.clone("shelf:bugs", place.path "clone", options)
    local out = {}
    for t in clone.types.ticket:find({}):order("summary"):each() do out[#out + 1] = t.summary end
    return table.concat(out, " ")
  end

  -- A copy of ann's directory that goes on under her key.
  local function copied()
    ann:close()
    assert(os.execute(("cp -a '%s' '%s'"):format(place.path "ann", place.path "copy")))
    local copy = prophet.open(place.path "copy", { readonly = true })
    copy:adopt() -- by mistake
    copy:close()
    ann, copy = place.open "ann", place.open "copy"
    assert.equal(ann.replica, copy.replica)
    return copy
  end

  it("keeps what a copy under the same key published", function()
    ann:publish "shelf:bugs"
    local copy = copied()
    ann.types.ticket:create { summary = "ann's" }
    copy.types.ticket:create { summary = "copy's" }
    meanwhile.manifest = function() copy:publish "shelf:bugs" end
    ann:publish "shelf:bugs"
    assert.is_nil(meanwhile.manifest)
    assert.equal("Crash ann's copy's", summaries())
    assert.not_equal(ann.replica, copy.replica) -- they have met
    local t = ann.types.ticket:create { summary = "a slip" }
    ann:undo() -- of what she wrote under her new key
    assert.is_nil(ann.types.ticket:get(t.id))
  end)

  it("is sealed in one way by two who begin it with a passphrase", function()
    local seal = place.path "phrase"
    local file <close> = assert(io.open(seal, "w"))
    file:write "prophet passphrase 1\ncorrect horse\n"
    file:close()
    local bob = place.clone(ann, "bob")
    bob.types.ticket:create { summary = "bob's" }
    meanwhile.any = function() bob:publish("shelf:bugs", { seal = seal }) end
    ann:publish("shelf:bugs", { seal = seal })
    assert.equal("Crash bob's", summaries { seal = seal })
  end)

  it("goes on behind what came before the way broke off", function()
    local bob = place.clone(ann, "bob")
    for i = 1, 8 do ann.types.ticket:create { summary = "n" .. i } end
    ann:publish "shelf:bugs"
    ann.types.ticket:create { summary = "last" }
    ann:publish "shelf:bugs" -- a segment of its own
    meanwhile.down = 2
    place.raises("network", bob.pull, bob, "shelf:bugs")
    assert.equal(9, bob.types.ticket:find({}):count())
    meanwhile.down = nil
    assert.equal(1, bob:pull("shelf:bugs").changesets)
    assert.equal(3, #reads)
    assert.equal(ann:digest(), bob:digest())
  end)

  it("is seen to hold a copy's changes, though the way broke off behind them", function()
    local copy = copied()
    for i = 1, 8 do copy.types.ticket:create { summary = "n" .. i } end
    copy:publish "shelf:bugs"
    copy.types.ticket:create { summary = "last" }
    copy:publish "shelf:bugs"
    ann.types.ticket:create { summary = "ann's" }
    meanwhile.down = 2
    place.raises("network", ann.pull, ann, "shelf:bugs")
    assert.equal(10, ann.types.ticket:find({}):count())
    assert.not_equal(ann.replica, copy.replica)
  end)
end)
