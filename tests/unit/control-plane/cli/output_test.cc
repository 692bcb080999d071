#include "control-plane/cli/output.h"

#include "gtest/gtest.h"
#include "tollgate/admin/v1/admin.pb.h"

namespace tollgate::control {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Table, AlignsColumnsAndShowsEmptyCells) {
  Table table({"NAME", "STATE"});
  table.Add({"payments-1", "SYNCED"});
  table.Add({"", "a\nb"});
  EXPECT_EQ(table.ToString(),
            "NAME        STATE\n"
            "payments-1  SYNCED\n"
            "-           a\\nb\n");
}

TEST(Age, UsesOneUnit) {
  EXPECT_EQ(Age(seconds(119)), "119s");
  EXPECT_EQ(Age(seconds(120)), "2m");
  EXPECT_EQ(Age(hours(3)), "3h");
  EXPECT_EQ(Age(hours(72)), "3d");
  EXPECT_EQ(Age(seconds(-5)), "0s");
}

TEST(Counted, AgreesWithTheNumber) {
  EXPECT_EQ(Counted(0, "retry", "retries"), "0 retries");
  EXPECT_EQ(Counted(1, "retry", "retries"), "1 retry");
}

TEST(Milliseconds32, NeverWrapsAndNeverMeansTheDefault) {
  EXPECT_EQ(Milliseconds32(seconds(5)), 5000u);
  EXPECT_EQ(Milliseconds32(hours(24 * 3660)), 4294967295u);
  EXPECT_EQ(Milliseconds32(std::chrono::nanoseconds(1)), 1u);
}

TEST(CliDuration, ReadsDaysAndSigns) {
  Duration d{};
  EXPECT_TRUE(ParseCliDuration("90d", &d));
  EXPECT_EQ(d, hours(24 * 90));
  EXPECT_TRUE(ParseCliDuration("-1m", &d));
  EXPECT_EQ(d, -minutes(1));
  for (const char* bad : {"", "d", "5", "5x", "99999d", "1.5d"}) {
    EXPECT_FALSE(ParseCliDuration(bad, &d)) << bad;
  }
}

TEST(CliNumber, IsDecimalAndNothingElse) {
  uint64_t number = 0;
  EXPECT_TRUE(ParseCliNumber("010", &number));
  EXPECT_EQ(number, 10u);  // in octal it would be a rollback to release 8
  EXPECT_TRUE(ParseCliNumber("18446744073709551615", &number));
  EXPECT_EQ(number, 18446744073709551615u);
  for (const char* bad : {"", "-1", "+1", " 1", "0x10", "1e3", "18446744073709551616", "seven"}) {
    EXPECT_FALSE(ParseCliNumber(bad, &number)) << bad;
  }
}

TEST(Messages, AreJsonWithNumbersAndAllFields) {
  admin::v1::RevokeKeyResponse response;
  response.add_ids("a\"b");
  response.set_revision(12);
  EXPECT_EQ(MessageToJson(response),
            "{\n  \"ids\": [\n    \"a\\\"b\"\n  ],\n  \"revision\": 12\n}\n");
  EXPECT_EQ(MessageToJson(admin::v1::RevokeKeyResponse()),
            "{\n  \"ids\": [],\n  \"revision\": 0\n}\n");
}

TEST(Messages, AreYamlWithNestedLists) {
  admin::v1::DiffResponse response;
  admin::v1::Change* change = response.add_changes();
  change->set_kind("Plan");
  change->add_fields("limit: 1 -> 2");
  EXPECT_EQ(MessageToYaml(response),
            "changes:\n"
            "- kind: \"Plan\"\n"
            "  name: \"\"\n"
            "  action: \"\"\n"
            "  fields:\n"
            "  - \"limit: 1 -> 2\"\n"
            "problems: []\n"
            "base_release: 0\n");
}

}  // namespace
}  // namespace tollgate::control
