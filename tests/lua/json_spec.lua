-- JSON and CSV: what is read, what is written, what is refused.
local prophet = require "prophet"
local json, csv, e = prophet.json, prophet.csv, prophet.error

local function refused(text)
  local v, err = e.try(json.decode, text)
  assert.is_nil(v)
  assert.equal("usage", err.code)
  return err.message
end

describe("json.encode", function()
  it("sorts keys and tells integers from floats", function()
    assert.equal('{"a":1,"b":1.0,"c":0.1,"d":1e+300,"e":-7}', json.encode { e = -7, d = 1e300, c = 0.1, b = 1.0, a = 1 })
    assert.equal("9223372036854775807", json.encode(math.maxinteger))
    assert.equal("5e-324", json.encode(5e-324))
    assert.equal("0.30000000000000004", json.encode(0.1 + 0.2))
  end)

  it("writes what tables cannot say", function()
    assert.equal("[]", json.encode {})
    assert.equal("{}", json.encode(json.object {}))
    assert.equal("[1,null,2]", json.encode { 1, json.null, 2 })
    assert.equal('{"$time":"2026-01-01T00:00:00.000Z"}', json.encode(prophet.time "2026-01-01"))
    assert.equal('{"$bytes":"AP8="}', json.encode(prophet.bytes "\0\255"))
  end)

  it("escapes what must be escaped, and nothing else", function()
    assert.equal('"\\"\\\\\\n\\u0001ä/"', json.encode "\"\\\n\1ä/")
  end)

  it("indents on demand", function()
    assert.equal('{\n  "a": [\n    1,\n    2\n  ],\n  "b": []\n}', json.encode({ a = { 1, 2 }, b = {} }, { indent = 2 }))
  end)

  it("refuses what has no JSON", function()
    for _, v in ipairs { 0 / 0, 1 / 0, print, "\255", { 1, x = 2 } } do
      local text, err = e.try(json.encode, v)
      assert.is_nil(text)
      assert.truthy(e.is(err))
    end
    local loop = {}
    loop.loop = loop
    assert.equal("usage", select(2, e.try(json.encode, loop)).code)
  end)
end)

describe("json.decode", function()
  it("gives back what was written", function()
    local text = '{"a":[1,2.5,"x",true,null],"b":{"c":{}},"n":-3,"t":{"$time":"2026-01-01T00:00:00.000Z"},"z":{"$bytes":"AP8="}}'
    assert.equal(text, json.encode(json.decode(text)))
  end)

  it("keeps 64 bits of integers, and reads floats", function()
    assert.equal(9007199254740993, json.decode "9007199254740993")
    assert.equal("integer", math.type(json.decode "-9223372036854775808"))
    assert.equal("float", math.type(json.decode "1.0"))
    assert.equal("float", math.type(json.decode "1e2"))
    assert.equal(1e30, json.decode "1000000000000000000000000000000")
  end)

  it("reads escapes and surrogate pairs", function()
    assert.equal("é😀\t/", json.decode '"\\u00e9\\ud83d\\ude00\\t\\/"')
  end)

  it("has null absent in objects, and json.null in lists", function()
    assert.is_nil(json.decode('{"a":null}').a)
    assert.equal(json.null, json.decode("[null]")[1])
    assert.is_nil(json.decode "null")
  end)

  it("refuses what is not JSON, and says where", function()
    assert.truthy(refused('{"a":1,\n"a":2}'):find "twice, at line 2 column 4")
    for _, text in ipairs { "", "{", "[1,]", "{\"a\":}", "01", "1.", "+1", "nul", "'a'", '"\\x"', '"\1"', '"\255"', '"\\ud800"', "[1] 2",
      '{"$time":"never"}', '{"$bytes":"*"}', ("["):rep(200) } do
      assert.truthy(refused(text):find "line")
    end
  end)
end)

describe("csv", function()
  it("reads quotes, commas and line ends inside fields", function()
    local rows, columns = csv.decode 'a,b\r\n1,"x,""y""\nz"\n2,\n'
    assert.same({ { a = "1", b = 'x,"y"\nz' }, { a = "2", b = "" } }, rows)
    assert.same({ "a", "b" }, columns)
    assert.same({ { "1", "2" }, { "3", "4" } }, csv.decode("1;2\n3;4", { header = false, separator = ";" }))
    assert.same({}, (csv.decode ""))
  end)

  it("writes what it reads", function()
    local text = csv.encode({ { a = 1, b = 'x,"y"' }, { a = 2 } }, { columns = { "b", "a" } })
    assert.equal('b,a\r\n"x,""y""",1\r\n,2\r\n', text)
    assert.same({ { b = 'x,"y"', a = "1" }, { b = "", a = "2" } }, (csv.decode(text)))
  end)

  it("refuses a quote without its end and rows that are too long", function()
    assert.equal("validation", select(2, e.try(csv.decode, 'a\n"x')).code)
    assert.equal("validation", select(2, e.try(csv.decode, "a\n1,2")).code)
    assert.equal("usage", select(2, e.try(csv.decode, "a", { seperator = ";" })).code)
  end)
end)
