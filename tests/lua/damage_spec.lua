-- Logs that were damaged on the disk: what can be read stays, what is lost comes back from a peer, versions stay what they were.
-- PROPHET_SEED chooses other damage.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local place = require "place"

local function log_file(name)
  return place.path(name) .. "/log/00000001.log"
end

-- Writes over the first place in the log where the text is.
local function spoil(name, text, with)
  local file = assert(io.open(log_file(name), "r+b"))
  local at = assert(file:read "a":find(text, 1, true), "no such text in the log")
  file:seek("set", at - 1)
  file:write(with)
  file:close()
end

local function forget_index(name)
  os.execute(("rm -f '%s'/index*"):format(place.path(name)))
end

local function text(i)
  return ("the summary of number %03d"):format(i)
end

local function faults(db)
  return db:check().faults
end

local function sound(db)
  local report = db:check()
  assert.equal(0, report.faults, tostring(report))
end

describe("damage in a log", function()
  local ann, bob, ids, version, head

  before_each(function()
    place.enter()
    ann = place.tracker "ann"
    ids = {}
    for i = 1, 40 do ids[i] = ann.types.ticket:create({ summary = text(i) }).id end
    ann.types.ticket:must(ids[20]):set { summary = "changed later" }
    bob = place.clone(ann, "bob")
    version, head = ann:version(), table.concat(ann:head(), " ")
    ann:close()
  end)
  after_each(place.leave)

  -- All is there, the versions are what they were, and a new index says the same.
  local function all_is_well(db)
    sound(db)
    for i = 1, 40 do assert.truthy(db.types.ticket:get(ids[i]), "number " .. i) end
    assert.equal("changed later", db.types.ticket:must(ids[20]).summary)
    local seen = {}
    for v in db.types.ticket:must(ids[20]):history() do seen[#seen + 1] = v.version end
    assert.equal(2, #seen)
    return seen
  end

  it("is told by check, hinders no reading or writing, and is mended by a pull", function()
    local before = all_is_well(bob)
    spoil("ann", text(20), "X")
    ann = place.open "ann"
    assert.equal("changed later", ann.types.ticket:must(ids[20]).summary)
    assert.is_true(faults(ann) > 0)
    ann.types.ticket:create { summary = "made on a damaged log" }
    local report = ann:pull(place.path "bob")
    assert.equal(1, report.mended)
    assert.same(before, all_is_well(ann))
    assert.equal(version + 1, ann:version())
    ann:close()
    ann = place.open "ann" -- the index is made anew from the mended log
    assert.same(before, all_is_well(ann))
    assert.equal(version + 1, ann:version())
    ann:rebuild()
    assert.same(before, all_is_well(ann))
    assert.is_nil(ann:pull(place.path "bob").mended)
    bob:pull(place.path "ann")
    assert.equal(ann:digest(), bob:digest())
  end)

  it("is mended by a live peer that has nothing else that is new", function()
    spoil("ann", text(20), "X")
    ann = place.open "ann"
    assert.is_true(faults(ann) > 0)
    assert.equal(bob:digest(), ann:digest())
    local server <close> = bob:serve { listen = "127.0.0.1:0", background = true }
    assert.equal(1, ann:pull(server.url).mended)
    all_is_well(ann)
  end)

  it("is asked for at each pull until somebody has what it took", function()
    local carol = place.tracker "carol" -- another database
    spoil("ann", text(20), "X")
    ann = place.open "ann"
    assert.is_true(faults(ann) > 0)
    place.raises("unrelated", function() ann:pull(place.path "carol") end)
    assert.is_true(faults(ann) > 0)
    local err = place.raises("corrupt", function()
      for _ in ann.types.ticket:must(ids[20]):history() do end
    end)
    assert.truthy(tostring(err):find("pull", 1, true), tostring(err))
    ann:close()
    ann = place.open "ann"
    assert.is_true(faults(ann) > 0)
    assert.equal(1, ann:pull(place.path "bob").mended)
    all_is_well(ann)
    carol:close()
  end)

  it("of a whole stretch, with no index left, leaves the rest; a pull brings back what is missing", function()
    spoil("ann", text(10), ("\0"):rep(3000))
    forget_index "ann"
    ann = place.open "ann"
    assert.truthy(ann.types.ticket:get(ids[5]))
    assert.falsy(ann.types.ticket:get(ids[11]))
    ann.types.ticket:create { summary = "goes on" }
    assert.is_true(ann:pull(place.path "bob").changesets > 0)
    all_is_well(ann)
    assert.equal(head ~= nil, true)
    bob:pull(place.path "ann")
    assert.equal(ann:digest(), bob:digest())
    ann:close()
    ann = place.open "ann"
    all_is_well(ann)
    ann:rebuild()
    all_is_well(ann)
    assert.equal(ann:digest(), bob:digest())
  end)

  it("does not take what nobody else has, and lies behind it", function()
    ann = place.open "ann"
    local own = ann.types.ticket:create({ summary = "nobody has seen this" }).id
    ann.types.ticket:must(own):set { summary = "nor this" }
    ann:close()
    spoil("ann", text(20), "X")
    ann = place.open "ann"
    assert.is_true(faults(ann) > 0)
    assert.equal(1, ann:pull(place.path "bob").mended)
    ann:close()
    ann = place.open "ann" -- with a new index
    assert.equal("nor this", ann.types.ticket:must(own).summary)
    all_is_well(ann)
    bob:pull(place.path "ann")
    assert.equal("nor this", bob.types.ticket:must(own).summary)
    assert.equal(ann:digest(), bob:digest())
    ann:close()
    ann = place.open "ann"
    all_is_well(ann)
  end)

  it("is mended by a pull of another program than the one that found it", function()
    spoil("ann", text(20), "X")
    ann = place.open "ann"
    assert.is_true(faults(ann) > 0)
    ann:close()
    ann = place.open "ann"
    assert.equal(1, ann:pull(place.path "bob").mended)
    all_is_well(ann)
  end)

  it("takes nothing from a rebuild but what lay there", function()
    ann = place.open "ann"
    local own = ann.types.ticket:create({ summary = "nobody has seen this" }).id
    ann:close()
    spoil("ann", text(30), "X")
    ann = place.open "ann"
    ann:rebuild()
    assert.is_nil(ann.types.ticket:get(ids[30]))
    for i = 31, 40 do assert.equal(text(i), ann.types.ticket:must(ids[i]).summary) end
    assert.equal("nobody has seen this", ann.types.ticket:must(own).summary)
    assert.equal(version + 1, ann:version())
    assert.equal(1, ann:pull(place.path "bob").mended)
    ann:close()
    ann = place.open "ann"
    all_is_well(ann)
    assert.equal("nobody has seen this", ann.types.ticket:must(own).summary)
    bob:pull(place.path "ann")
    assert.equal(ann:digest(), bob:digest())
  end)

  it("of one byte takes one changeset of those that were pulled together, also if nobody else has them", function()
    local digest = bob:digest()
    bob:close()
    os.execute(("rm -rf '%s'"):format(place.path "ann"))
    spoil("bob", text(21), "X")
    bob = place.open "bob"
    assert.is_true(faults(bob) > 0)
    local report = bob:check()
    assert.equal(1, report.faults, tostring(report))
    assert.truthy(tostring(report):find("1 changeset is lost", 1, true), tostring(report))
    bob:rebuild()
    for i = 1, 40 do assert.equal(i ~= 21, bob.types.ticket:get(ids[i]) ~= nil, "number " .. i) end
    assert.equal(version, bob:version())
    assert.equal(digest, bob:digest())
    bob.types.ticket:create { summary = "goes on" }
  end)

  it("at its end is found by what the index has had", function()
    local file = assert(io.open(log_file "ann", "rb"))
    local bytes = file:read "a"
    file:close()
    local at = assert(bytes:find(text(38), 1, true))
    file = assert(io.open(log_file "ann", "wb"))
    file:write(bytes:sub(1, at))
    file:close()
    ann = place.open "ann"
    assert.truthy(ann.types.ticket:get(ids[1]))
    ann.types.ticket:create { summary = "goes on" }
    ann:pull(place.path "bob")
    all_is_well(ann)
    bob:pull(place.path "ann")
    assert.equal(ann:digest(), bob:digest())
  end)

  -- One damage: a flipped bit, zeros, or a file that is cut.
  local function damage(name)
    local path = log_file(name or "ann")
    local file = assert(io.open(path, "r+b"))
    local size = file:seek "end"
    if name then -- not the room ahead
      file:seek "set"
      size = math.max(2000, #(file:read "a":match "^.*[^%z]" or ""))
    end
    local kind, at = math.random(3), math.random(64, size - 1)
    file:seek("set", at)
    if kind == 1 then
      local byte = file:read(1):byte()
      file:seek("set", at)
      file:write(string.char(byte ~ (1 << math.random(0, 7))))
    elseif kind == 2 then
      file:write(("\0"):rep(math.min(math.random(2000), size - at)))
    else
      file:seek("set", 0)
      local kept = file:read(at)
      file:close()
      file = assert(io.open(path, "wb"))
      file:write(kept)
    end
    file:close()
    return ("kind %d at %d of %d"):format(kind, at, size)
  end

  -- Ann goes on, exchanges with Bob; both are whole then.
  local function recovers(what)
    ann = place.open "ann"
    ann:check()
    if pcall(function() return ann.types.ticket end) then ann.types.ticket:create { summary = what } end -- else its definition was lost
    ann:pull(place.path "bob")
    bob:pull(place.path "ann")
    assert.equal(ann:digest(), bob:digest(), what)
    ann:close()
    ann = place.open "ann"
    local report = ann:check()
    assert.equal(0, report.faults, what .. "\n" .. tostring(report))
    for i = 1, 40 do assert.truthy(ann.types.ticket:get(ids[i]), what) end
    ann:close()
  end

  local seed = tonumber(os.getenv "PROPHET_SEED" or 1)

  it(("of any kind, again and again, is mended (seed %d)"):format(seed), function()
    math.randomseed(seed)
    for round = 1, 12 do
      local what = ("seed %d, round %d: "):format(seed, round) .. damage()
      local ok, err = pcall(recovers, what)
      assert.is_true(ok, what .. "\n" .. tostring(err))
    end
  end)

  -- What the pulls left; only what ann alone had may be missing.
  local function nothing_of_bobs_is_missing(what)
    ann = place.open "ann"
    ann:check()
    ann:pull(place.path "bob")
    bob:pull(place.path "ann")
    ann:close()
    ann = place.open "ann" -- with the index that the mended log gives
    ann:pull(place.path "bob")
    bob:pull(place.path "ann")
    for _, note in ipairs(ann:check().notes or {}) do
      assert.truthy(not note.fault or note.text:find "lost to damage", what .. "\n" .. note.text)
      assert.falsy(note.text:find "is forked", what .. "\n" .. note.text) -- what it read as another changeset than it was
    end
    sound(bob)
    for i = 1, 40 do assert.truthy(ann.types.ticket:get(ids[i]), what) end
    ann:close()
  end

  -- The first ones found what was wrong: a replay that made other changesets of what it read, chains that nobody had signed.
  local several = { 21, 33, 35, 50, 71 }
  for n = seed, seed + 4 do several[#several + 1] = n end
  for _, n in ipairs(several) do
    it(("several times, with the index lost between, leaves nothing that a pull does not mend (seed %d)"):format(n), function()
      math.randomseed(n)
      for round = 1, 3 do
        local what = ("seed %d, round %d: "):format(n, round) .. damage()
        damage()
        forget_index "ann"
        ann = place.open "ann"
        ann:check()
        if math.random(2) == 1 then ann:rebuild() end
        ann:close()
        damage()
        if math.random(2) == 1 then forget_index "ann" end
        local ok, err = pcall(nothing_of_bobs_is_missing, what)
        assert.is_true(ok, what .. "\n" .. tostring(err))
      end
    end)
  end

  -- Bob's log has batches of many changesets, of two writers.
  for n = seed, seed + 4 do
    it(("of batches, with the index lost now and then, is mended (seed %d)"):format(n), function()
      math.randomseed(n)
      ann = place.open "ann"
      bob.types.ticket:create { summary = "bob's" }
      for i = 2, 40, 3 do ann.types.ticket:must(ids[i]):set { summary = "again " .. i } end
      bob:pull(place.path "ann")
      for round = 1, 4 do
        ann:pull(place.path "bob")
        bob:close()
        local what = ("seed %d, round %d: "):format(n, round) .. damage "bob"
        if math.random(2) == 1 then forget_index "bob" end
        bob = place.open "bob"
        bob:check()
        if math.random(3) == 1 then bob:rebuild() end
        bob:pull(place.path "ann")
        bob:close()
        bob = place.open "bob"
        bob:pull(place.path "ann")
        ann:pull(place.path "bob")
        for _, note in ipairs(bob:check().notes or {}) do
          assert.truthy(not note.fault or note.text:find "lost to damage", what .. "\n" .. note.text)
          assert.falsy(note.text:find "is forked", what .. "\n" .. note.text)
        end
        sound(ann)
        for i = 1, 40 do
          assert.equal(ann.types.ticket:must(ids[i]).summary, bob.types.ticket:must(ids[i]).summary, what)
        end
      end
    end)
  end

  for n = seed, seed + 9 do
    it(("of any kind, with the index lost, is mended (seed %d)"):format(n), function()
      math.randomseed(n)
      local what = ("seed %d: "):format(n) .. damage()
      forget_index "ann"
      local ok, err = pcall(recovers, what)
      assert.is_true(ok, what .. "\n" .. tostring(err))
    end)
  end
end)
