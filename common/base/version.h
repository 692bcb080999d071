// The version of all three programs.
#pragma once

namespace tollgate {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace tollgate
