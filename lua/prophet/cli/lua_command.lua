--- prophet lua: the engine's program runs scripts itself (engine/cli); this is its help, and what runs where
-- `prophet` is called from Lua.

local e = require "prophet.error"

return {
  name = "lua", args = "[SCRIPT [ARGUMENTS]]", summary = "run a Lua script, with prophet loaded",
  about = [[
As lua(1): -e CODE runs code, -i reads lines and runs them, - reads the script from standard input. A script has
full rights unless --sandbox is given.]],
  options = {
    { name = "sandbox", doc = "no files, no modules, no clock" },
    { name = "max-instructions", value = "N", doc = "stop after so many" },
    { name = "max-memory", value = "N", doc = "bytes it may use" },
    { name = "timeout", value = "S", doc = "seconds it may run" },
  },
  run = function()
    e.raise { code = "usage", message = "scripts are run by the program prophet-lua",
      hint = "call lua(1) with the module prophet instead" }
  end,
}
