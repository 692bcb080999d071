// Section 7 of the field's rules, numbers 1 to 23: each row with the answer that is due. And, for
// each input, that neither the events nor the answer depend on how the bytes are cut.
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/fakes/codec_recorder.h"

namespace tollgate::proxy {
namespace {

using namespace std::string_literals;  // payloads with NUL

struct Outcome {
  std::string events;
  std::string error;
  bool closing = false;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

class PlainServer final : public ServerRecorder {};

Outcome Send(const std::string& input, const std::vector<size_t>& cuts = {}) {
  PlainServer events;
  const std::unique_ptr<ServerCodec> codec = MakeHttp1ServerCodec(events, CodecLimits{});
  Feeder feeder(*codec);
  size_t from = 0;
  for (size_t cut : cuts) {
    feeder.Feed(absl::string_view(input).substr(from, cut - from));
    from = cut;
  }
  feeder.Feed(absl::string_view(input).substr(from));
  return {events.log.text(), feeder.error(), codec->closing()};
}

// Every cut in two, and byte by byte.
void ExpectSameForEveryCut(const std::string& input, const Outcome& expected) {
  std::vector<size_t> all;
  for (size_t cut = 1; cut < input.size(); ++cut) {
    all.push_back(cut);
    const Outcome outcome = Send(input, {cut});
    ASSERT_EQ(outcome.error, expected.error) << "cut at " << cut;
    ASSERT_EQ(outcome.events, expected.events) << "cut at " << cut;
  }
  const Outcome outcome = Send(input, all);
  ASSERT_EQ(outcome.error, expected.error) << "byte by byte";
  ASSERT_EQ(outcome.events, expected.events) << "byte by byte";
}

struct Refusal {
  const char* name;
  std::string input;
  std::string error;
};
void PrintTo(const Refusal& refusal, std::ostream* os) { *os << refusal.name; }

std::string Get(const std::string& fields) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
std::string Post(const std::string& fields, const std::string& body = "") {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}
std::string Chunked(const std::string& body) {
  return Post("Transfer-Encoding: chunked\r\n", body);
}

class Head : public testing::TestWithParam<Refusal> {};
class Body : public testing::TestWithParam<Refusal> {};

std::string Name(const testing::TestParamInfo<Refusal>& info) { return info.param.name; }

// Numbers 1 to 13 and 19 to 23: no event at all, so that no byte can reach an upstream.
TEST_P(Head, IsRefusedBeforeAnyEvent) {
  const Outcome outcome = Send(GetParam().input);
  EXPECT_EQ(outcome.error, GetParam().error + " stream 0");
  EXPECT_EQ(outcome.events, "");
  EXPECT_TRUE(outcome.closing);
  ExpectSameForEveryCut(GetParam().input, outcome);
}

INSTANTIATE_TEST_SUITE_P(
    Section7, Head,
    testing::ValuesIn(std::vector<Refusal>{
        {"N1ContentLengthWithTransferEncoding",
         Post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "400 te_and_cl"},
        {"N1TransferEncodingWithContentLength",
         Post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), "400 te_and_cl"},
        {"N2DifferentContentLengths", Post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"),
         "400 duplicate_content_length"},
        {"N2SameContentLengthTwice", Post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
         "400 duplicate_content_length"},
        {"N3ContentLengthList", Post("Content-Length: 5, 5\r\n", "hello"),
         "400 bad_content_length"},
        {"N4ContentLengthPlus", Post("Content-Length: +5\r\n", "hello"), "400 bad_content_length"},
        {"N4ContentLengthMinus", Post("Content-Length: -0\r\n"), "400 bad_content_length"},
        {"N4ContentLengthHex", Post("Content-Length: 0x5\r\n", "hello"), "400 bad_content_length"},
        {"N4ContentLengthUnderscore", Post("Content-Length: 5_0\r\n", "hello"),
         "400 bad_content_length"},
        {"N4ContentLengthSpaceInside", Post("Content-Length: 1 0\r\n", "helloworld"),
         "400 bad_content_length"},
        {"N5EmptyContentLength", Post("Content-Length:\r\n"), "400 bad_content_length"},
        {"N5BlankContentLength", Post("Content-Length:   \r\n"), "400 bad_content_length"},
        {"N6ContentLengthOf2To63", Post("Content-Length: 9223372036854775808\r\n"),
         "400 content_length_too_large"},
        {"N6ContentLengthOf2To64", Post("Content-Length: 18446744073709551616\r\n"),
         "400 bad_content_length"},
        {"N7TransferEncodingOnHttp10",
         "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         "400 te_on_http_1_0"},
        {"N8ChunkedNotLast", Post("Transfer-Encoding: chunked, gzip\r\n"),
         "400 bad_transfer_encoding"},
        {"N8ChunkedNotLastInTwoFields",
         Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"),
         "400 bad_transfer_encoding"},
        {"N8NotChunkedAtAll", Post("Transfer-Encoding: gzip\r\n"), "400 te_not_chunked"},
        {"N9UnknownCoding", Post("Transfer-Encoding: xchunked\r\n"), "501 unknown_transfer_coding"},
        {"N9Identity", Post("Transfer-Encoding: identity\r\n"), "501 unknown_transfer_coding"},
        {"N9CodingThatIsNotImplemented", Post("Transfer-Encoding: gzip, chunked\r\n"),
         "501 unknown_transfer_coding"},
        {"N10TransferEncodingWithVerticalTab", Post("Transfer-Encoding: \vchunked\r\n"),
         "400 bad_field"},
        {"N10TransferEncodingWithFormFeed", Post("Transfer-Encoding: chunked\f\r\n"),
         "400 bad_field"},
        {"N10TransferEncodingWithNul", Post("Transfer-Encoding: chunked\0\r\n"s), "400 bad_field"},
        {"N10SpaceBeforeColon", Post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
         "400 bad_field"},
        {"N10SpaceBeforeColonOfAnyField", Get("X-One : a\r\n"), "400 bad_field_name"},
        {"N10TabBeforeColon", Post("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"),
         "400 bad_field"},
        {"N11ChunkedTwice", Post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
         "400 bad_transfer_encoding"},
        {"N11ChunkedTwiceInTwoFields",
         Post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
         "400 bad_transfer_encoding"},
        {"N11ChunkedWithParameter", Post("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n"),
         "400 bad_transfer_encoding"},
        {"N11EmptyTransferEncoding", Post("Transfer-Encoding:\r\n", "0\r\n\r\n"),
         "400 bad_transfer_encoding"},
        {"N12FoldedTransferEncoding", Post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"),
         "400 obs_fold"},
        {"N12FoldedField", Get("X-One: a\r\n\tb\r\n"), "400 obs_fold"},
        {"N12LineOfSpaces", Get("X-One: a\r\n \r\n"), "400 obs_fold"},
        {"N13BareCrInValue", Get("X-One: a\rb\r\n"), "400 bare_cr"},
        {"N13BareCrBeforeCrLf", Get("X-One: a\r\r\n"), "400 bare_cr"},
        {"N13BareCrInRequestLine", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_target"},
        {"N14BareLfAfterField", "GET / HTTP/1.1\r\nHost: a\n\r\n", "400 bare_lf"},
        {"N14BareLfAfterRequestLine", "GET / HTTP/1.1\nHost: a\r\n\r\n", "400 bare_lf"},
        {"N14BareLfAtTheEnd", "GET / HTTP/1.1\r\nHost: a\r\n\n", "400 bare_lf"},
        {"N14OnlyBareLf", "GET / HTTP/1.1\nHost: a\n\n", "400 bare_lf"},
        {"N19NoHost", "GET / HTTP/1.1\r\nX: a\r\n\r\n", "400 no_host"},
        {"N19NoHostOnHttp10", "GET / HTTP/1.0\r\n\r\n", "400 no_host"},
        {"N19TwoHosts", Get("Host: b\r\n"), "400 many_hosts"},
        {"N19TheSameHostTwice", Get("Host: a\r\n"), "400 many_hosts"},
        {"N19HostList", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400 bad_host"},
        {"N19EmptyHost", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400 bad_host"},
        {"N19HostWithUser", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "400 bad_host"},
        {"N19HostWithPath", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 bad_host"},
        {"N19HostWithBadPort", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", "400 bad_host"},
        {"N19HostWithEmptyPort", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", "400 bad_host"},
        {"N19HostWithOpenBracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "400 bad_host"},
        {"N20AbsoluteTargetIsNotHost", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
         "400 target_is_not_host"},
        {"N20AbsoluteTargetWithOtherPort", "GET http://a:81/ HTTP/1.1\r\nHost: a:80\r\n\r\n",
         "400 target_is_not_host"},
        {"N20AbsoluteTargetWithUser", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
         "400 target_is_not_host"},
        {"N20AbsoluteTargetWithoutHostField", "GET http://a/ HTTP/1.1\r\n\r\n", "400 no_host"},
        {"N20OtherScheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_target"},
        {"N21EmptyName", Get(": a\r\n"), "400 bad_field_name"},
        {"N21NameWithSpace", Get("X One: a\r\n"), "400 bad_field_name"},
        {"N21NameWithBracket", Get("X[1]: a\r\n"), "400 bad_field"},
        {"N21NameWithHighByte", Get("X\xc3\xa9: a\r\n"), "400 bad_field"},
        {"N21LineWithoutColon", Get("nothing\r\n"), "400 bad_field"},
        {"N21SpaceBeforeFirstField", "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
         "400 space_before_first_field"},
        {"N22UnderscoreInName", Get("Transfer_Encoding: chunked\r\n"), "400 underscore_in_name"},
        {"N23UnknownExpectation", Post("Expect: 200-ok\r\nContent-Length: 5\r\n"),
         "417 unknown_expectation"},
        {"N23TwoExpectations", Post("Expect: 100-continue, x\r\nContent-Length: 5\r\n"),
         "417 unknown_expectation"},
        // What the rules say of targets, versions, methods and sizes.
        {"TargetTooLong", "GET /" + std::string(8192, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n",
         "414 target_too_long"},
        {"TooManyFields",
         [] {
           std::string fields;
           for (int i = 0; i < 100; ++i) fields += "X: a\r\n";
           return Get(fields);
         }(),
         "431 too_many_fields"},
        {"NameTooLong", Get(std::string(300, 'n') + ": a\r\n"), "431 field_name_too_long"},
        {"Http09", "GET /\r\n\r\n", "400 bad_request_line"},
        {"Http20Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 unsupported_version"},
        {"Http12", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", "505 unsupported_version"},
        {"NotHttp", "GET / ICE/1.0\r\nHost: a\r\n\r\n", "400 bad_version"},
        {"LowerCaseVersion", "GET / http/1.1\r\nHost: a\r\n\r\n", "400 bad_version"},
        {"TwoSpaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_target"},
        {"SpaceInTarget", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_version"},
        {"TabInTarget", "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_target"},
        {"SpaceAfterVersion", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "400 bad_version"},
        {"SpaceBeforeMethod", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_method"},
        {"HighByteInTarget", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_target"},
        {"NulInTarget", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"s, "400 bad_target"},
        {"FragmentInTarget", "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_target"},
        {"RelativeTarget", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_target"},
        {"AsteriskForGet", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_target"},
        {"MethodThatIsNoToken", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_method"},
        {"UnknownMethod", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "501 unknown_method"},
        {"LowerCaseMethod", "get / HTTP/1.1\r\nHost: a\r\n\r\n", "501 unknown_method"},
        {"MethodOfRtsp", "SETUP / HTTP/1.1\r\nHost: a\r\n\r\n", "501 unknown_method"},
        {"Connect", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "501 connect_not_supported"},
        {"TwoEmptyLinesFirst", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_method"},
        {"BareCrFirst", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bad_request_line"},
        {"BareLfFirst", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bare_lf"},
        {"ControlInValue", Get("X: a\x01z\r\n"), "400 bad_field"},
        {"DelInValue", Get("X: a\x7fz\r\n"), "400 bad_field"},
        {"ConnectionNominatesAuthorization", Get("Connection: close, Authorization\r\n"),
         "400 connection_nominates_end_to_end_field"},
        {"ConnectionNominatesHost", Get("Connection: host\r\n"),
         "400 connection_nominates_end_to_end_field"},
        {"ConnectionNominatesContentLength",
         Post("Connection: Content-Length\r\nContent-Length: 1\r\n", "a"),
         "400 connection_nominates_end_to_end_field"},
        {"ConnectionNominatesTheForwardedAddress", Get("Connection: X-Forwarded-For\r\n"),
         "400 connection_nominates_end_to_end_field"},
        {"ConnectionThatIsNoList", Get("Connection: a b\r\n"), "400 bad_connection"},
    }),
    Name);

// Numbers 14 to 17, in a body: the head and what came before the fault, then nothing.
TEST_P(Body, IsRefusedAtTheFault) {
  const Outcome outcome = Send(GetParam().input);
  EXPECT_EQ(outcome.error, GetParam().error + " stream 1");
  EXPECT_TRUE(outcome.closing);
  EXPECT_EQ(outcome.events.find("end"), std::string::npos) << outcome.events;
  EXPECT_EQ(outcome.events.find("trailers"), std::string::npos) << outcome.events;
  EXPECT_EQ(outcome.events.find("evil"), std::string::npos) << outcome.events;
  ExpectSameForEveryCut(GetParam().input, outcome);
}

INSTANTIATE_TEST_SUITE_P(
    Section7, Body,
    testing::ValuesIn(std::vector<Refusal>{
        {"N14BareLfAfterChunkSize", Chunked("5\nhello\r\n0\r\n\r\n"), "400 bad_chunk_size"},
        {"N14BareLfAfterChunk", Chunked("5\r\nhello\n4\r\nevil\r\n0\r\n\r\n"), "400 chunk_overrun"},
        {"N14BareLfAfterLastChunk", Chunked("0\n\n"), "400 bad_chunk_size"},
        {"N14BareLfAfterTrailers", Chunked("0\r\n\n"), "400 bare_lf"},
        {"N14BareCrAfterChunk", Chunked("5\r\nhello\r4\r\nevil\r\n"), "400 chunk_overrun"},
        {"N14BareCrAfterChunkSize", Chunked("5\rhello\r\n0\r\n\r\n"), "400 bad_chunk_line"},
        {"N15ChunkSizeHexPrefix", Chunked("0x5\r\nhello\r\n0\r\n\r\n"), "400 bad_chunk_size"},
        {"N15ChunkSizePlus", Chunked("+5\r\nhello\r\n0\r\n\r\n"), "400 bad_chunk_size"},
        {"N15ChunkSizeMinus", Chunked("-1\r\nhello\r\n0\r\n\r\n"), "400 bad_chunk_size"},
        {"N15ChunkSizeUnderscore", Chunked("5_0\r\nhello\r\n0\r\n\r\n"), "400 bad_chunk_size"},
        {"N15ChunkSizeOf17Digits", Chunked("00000000000000005\r\nhello\r\n0\r\n\r\n"),
         "400 bad_chunk_size"},
        {"N15ChunkSizeOf2To63", Chunked("8000000000000000\r\nhello\r\n0\r\n\r\n"),
         "400 bad_chunk_size"},
        {"N15ChunkSizeEmpty", Chunked("\r\nhello\r\n0\r\n\r\n"), "400 bad_chunk_size"},
        {"N15ChunkSizeWithLeadingSpace", Chunked(" 5\r\nhello\r\n0\r\n\r\n"), "400 bad_chunk_size"},
        {"N15ChunkSizeWithTrailingSpace", Chunked("5 \r\nhello\r\n0\r\n\r\n"),
         "400 bad_chunk_extension"},
        {"N16ChunkOverrun", Chunked("5\r\nhelloevil\r\n0\r\n\r\n"), "400 chunk_overrun"},
        {"N16ChunkOverrunByTwo", Chunked("5\r\nhelloXX4\r\nevil\r\n0\r\n\r\n"),
         "400 chunk_overrun"},
        {"N16ChunkUnderrun", Chunked("6\r\nhello\r\n4\r\nevil\r\n0\r\n\r\n"), "400 chunk_overrun"},
        {"N17LfInExtension", Chunked("5;a\nb\r\nhello\r\n0\r\n\r\n"), "400 bad_chunk_extension"},
        {"N17CrInExtension", Chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"), "400 bad_chunk_line"},
        {"N17NulInExtension", Chunked("5;a\0b\r\nhello\r\n0\r\n\r\n"s), "400 bad_chunk_extension"},
        {"N17LfInQuotedExtension", Chunked("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"),
         "400 bad_chunk_extension"},
        {"N17CrLfInQuotedExtension", Chunked("5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n"),
         "400 bad_chunk_extension"},
        {"N17LfAfterBackslash", Chunked("5;a=\"\\\n\"\r\nhello\r\n0\r\n\r\n"),
         "400 bad_chunk_extension"},
        {"N17EmptyExtension", Chunked("5;\r\nhello\r\n0\r\n\r\n"), "400 bad_chunk_extension"},
        {"N17EndlessExtension", Chunked("5;" + std::string(2000, 'a') + "\r\nhello\r\n"),
         "400 chunk_extension_too_long"},
        {"FoldedTrailer", Chunked("0\r\nX: a\r\n b\r\n\r\n"), "400 obs_fold"},
        {"SpaceBeforeFirstTrailer", Chunked("0\r\n X: a\r\n\r\n"), "400 space_before_first_field"},
        {"TrailerWithoutColon", Chunked("0\r\nX\r\n\r\n"), "400 bad_field"},
        {"TrailerWithSpaceBeforeColon", Chunked("0\r\nX : a\r\n\r\n"), "400 bad_field_name"},
        {"TrailerWithUnderscore", Chunked("0\r\nX_Y: a\r\n\r\n"), "400 underscore_in_name"},
        {"TrailerWithBareCr", Chunked("0\r\nX: a\rb\r\n\r\n"), "400 bad_field_value"},
        {"TooManyTrailers",
         [] {
           std::string lines;
           for (int i = 0; i < 101; ++i) lines += "X: a\r\n";
           return Chunked("0\r\n" + lines + "\r\n");
         }(),
         "431 too_many_fields"},
    }),
    Name);

TEST(Section7, N18ForbiddenTrailersAreDroppedAndOthersArrive) {
  const std::string input = Chunked(
      "5\r\nhello\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nHost: b\r\nAuthorization: "
      "b\r\n"
      "X-Forwarded-For: 1.2.3.4\r\nIf-Match: a\r\nX-Checksum: abc\r\n\r\n");
  const Outcome outcome = Send(input);
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.events,
            "head POST a / body=unknown 1.1\ndata hello\ntrailers x-checksum=abc\nend\n");
  ExpectSameForEveryCut(input, outcome);
}

TEST(Section7, N18ABodyWhoseTrailersAreAllForbiddenJustEnds) {
  const Outcome outcome = Send(Chunked("0\r\nAuthorization: b\r\n\r\n"));
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.events, "head POST a / body=unknown 1.1\nend\n");
}

TEST(Section7, N17LegalExtensionsAreDropped) {
  const std::string input =
      Chunked("5;a\r\nhello\r\n1;a=b;c=\"d\\\"\te\"\r\n!\r\n1 ; a = b ;c\r\n?\r\n0;last\r\n\r\n");
  const Outcome outcome = Send(input);
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.events, "head POST a / body=unknown 1.1\ndata hello!?\nend\n");
  ExpectSameForEveryCut(input, outcome);
}

TEST(Section7, HeadsAreLimitedWhetherTheyEndOrNot) {
  const std::string endless = "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(70000, 'a');
  for (const std::string& input : {endless, endless + "\r\n\r\n"}) {
    EXPECT_EQ(Send(input).error, "431 head_too_large stream 0");
    EXPECT_EQ(Send(input, {100, 30000}).error, "431 head_too_large stream 0");
  }
  const std::string target = "GET /" + std::string(9000, 'a');
  EXPECT_EQ(Send(target).error, "414 target_too_long stream 0");
  EXPECT_EQ(Send(target, {3000, 8000}).error, "414 target_too_long stream 0");
}

TEST(Section7, ATargetOfExactlyTheLimitIsAccepted) {
  const std::string path = "/" + std::string(8191, 'a');
  EXPECT_EQ(Send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n").error, "");
}

}  // namespace
}  // namespace tollgate::proxy
