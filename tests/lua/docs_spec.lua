-- Lua in the guides is Lua: every block parses, the resolver that is taught works, and links lead somewhere.
local SOURCE = os.getenv "PROPHET_SOURCE_DIR" or "."

local function read(path)
  local file = assert(io.open(SOURCE .. "/" .. path))
  local text = file:read "a"
  file:close()
  return text
end

local function blocks(path)
  local out = {}
  for block in read(path):gmatch "\n```lua\n(.-)\n```" do out[#out + 1] = block end
  return out
end

describe("the guides", function()
  for _, path in ipairs { "README.md", "docs/lua.md", "docs/resolvers.md", "docs/transports.md" } do
    it(path .. " has Lua that parses", function()
      local all = blocks(path)
      assert.is_true(#all > 0)
      for _, block in ipairs(all) do
        local ok, why = load(block, "=" .. path, "t")
        assert.truthy(ok, (why or "") .. "\n" .. block)
      end
    end)

    it(path .. " has links that lead somewhere", function()
      local folder = path:match "^(.*/)" or ""
      for target in read(path):gmatch "%]%(([^)#]+)%)" do
        if not target:find "^https?:" then assert.truthy(io.open(SOURCE .. "/" .. folder .. target), target) end
      end
    end)
  end

  it("teach a resolver that works, and a test of it that passes", function()
    local all = blocks "docs/resolvers.md"
    local resolver = assert(load(all[1]))()
    assert.equal("worse", resolver.name)
    local env = setmetatable({ dofile = function() return resolver end }, { __index = _G })
    assert(load(all[#all], "=test", "t", env))()
  end)
end)
