-- Rules of luacheck for the Lua side: no globals but the standard ones of 5.4, nothing unused.
std = "lua54"
max_line_length = 160
cache = false
self = false -- a method need not use its object
ignore = { "432/self" } -- a method within a method
include_files = { "**/*.lua" }
exclude_files = { "build/**", "lua/types/**" }
files["tests/**/*_spec.lua"] = { std = "+busted" }
files["tests/lua/**"] = { std = "+busted" }
