-- Times, bytes, ids and unset: what they are, how they compare and print.
local prophet = require "prophet"
local e = prophet.error

local function raises(code, fn, ...)
  local _, err = e.try(fn, ...)
  assert.truthy(err, "nothing was raised")
  assert.equal(code, err.code, tostring(err))
  return err
end

describe("a time", function()
  it("is read from RFC 3339 and printed as it", function()
    assert.equal("2026-03-01T00:00:00.000Z", tostring(prophet.time "2026-03-01"))
    assert.equal("2026-03-01T09:30:00.250Z", tostring(prophet.time "2026-03-01T10:30:00.250+01:00"))
    assert.equal(0, prophet.time("1970-01-01").ms)
    assert.equal(prophet.time(1500), prophet.time "1970-01-01T00:00:01.5Z")
  end)

  it("compares with times and with texts", function()
    local a, b = prophet.time "2026-01-01", prophet.time "2026-01-02"
    assert.is_true(a < b)
    assert.is_true(a <= a)
    assert.is_true(b > "2026-01-01T12:00:00Z")
    assert.is_true("2026-01-01" <= a)
    assert.is_false(a == b)
  end)

  it("is moved by milliseconds, and two are subtracted to milliseconds", function()
    local a, b = prophet.time "2026-01-01", prophet.time "2026-01-02"
    assert.equal(86400000, b - a)
    assert.equal(b, a + 86400000)
    assert.equal(a, b - 86400000)
    assert.equal("due 2026-01-01T00:00:00.000Z", "due " .. a)
  end)

  it("says what is wrong with what is none", function()
    assert.equal("validation", raises("validation", prophet.time, "yesterday").code)
    raises("validation", function() return prophet.time "2026-01-01" < {} end)
    raises("usage", function() return prophet.time(1).seconds end)
  end)

  it("of now goes on", function()
    assert.is_true(prophet.now() <= prophet.now())
    assert.is_true(prophet.now() > "2020-01-01")
  end)
end)

describe("bytes", function()
  it("are a string that need not be text", function()
    local b = prophet.bytes "\0\255x"
    assert.equal("\0\255x", tostring(b))
    assert.equal(3, #b)
    assert.equal("00ff78", b:hex())
    assert.equal(prophet.bytes "\0\255x", b)
    assert.is_true(prophet.bytes "a" < prophet.bytes "b")
    assert.equal("<\0\255x>", "<" .. b .. ">")
  end)
end)

describe("an id", function()
  it("is new each time, and rises", function()
    local a, b = prophet.uuid(), prophet.uuid()
    assert.truthy(a:find "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-7%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$")
    assert.is_true(a < b)
  end)

  it("has one form", function()
    assert.equal("01234567-89ab-cdef-0123-456789abcdef", prophet.uuid "0123456789ABCDEF0123456789ABCDEF")
    raises("validation", prophet.uuid, "12")
  end)
end)

describe("the module", function()
  it("names the nearest member for one it has not", function()
    local err = raises("usage", function() return prophet.opne end)
    assert.equal('did you mean "open"?', err.hint)
    assert.truthy(tostring(err):find '^usage: prophet has no "opne" %(did you mean "open"%?%)$')
  end)

  it("has unset, a version and try", function()
    assert.equal("prophet.unset", tostring(prophet.unset))
    assert.equal("string", type(prophet.version))
    assert.same({ 1, nil, 3, n = 3 }, table.pack(prophet.try(function() return 1, nil, 3 end)))
    local v, err = prophet.try(error, "x")
    assert.is_nil(v)
    assert.equal("script", err.code)
  end)
end)
