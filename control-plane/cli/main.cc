// tollgatectl: reads the command line and runs one command.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/version.h"
#include "control-plane/cli/commands.h"
#include "control-plane/model/suggest.h"

namespace tollgate::control {
namespace {

using Action = std::function<ExitCode(Session&)>;

// The command line: what CLI11 fills, and what to do then.
class CommandLine {
 public:
  CommandLine() {
    app_.require_subcommand(0, 1);  // none is answered in Run, so that a misspelt one is named
    app_.fallthrough();
    app_.get_formatter()->column_width(34);
    app_.set_version_flag("--version", absl::StrCat("tollgatectl ", kVersion));
    app_.footer(
        absl::StrCat("--server, --environment, --output and --timeout go with every command.\n",
                     kExitCodesHelp));
    app_.add_option("-s,--server", globals_.server, "The control plane: unix:/path or host:port")
        ->envname("TOLLGATE_ADMIN")
        ->capture_default_str();
    app_.add_option("-E,--environment", globals_.environment, "Environment to work on")
        ->envname("TOLLGATE_ENVIRONMENT")
        ->capture_default_str();
    app_.add_option_function<std::string>(
            "-o,--output", [this](const std::string& text) { SetFormat(text); },
            "table, json or yaml")
        ->type_name("FORMAT")
        ->default_str("table");
    AddDuration(&app_, "--timeout", &globals_.timeout, "For the control plane's answer")
        ->default_str("10s");
    AddReleaseCommands();
    AddFleetCommands();
    AddKeyCommands();
    AddDenyCommands();
    AddOfflineCommands();
  }

  int Run(int argc, char** argv) {
    std::vector<const char*> words(argv, argv + argc);
    if (argc > 1 && absl::string_view(argv[1]) == "help") {  // "help key issue": key issue --help
      words.erase(words.begin() + 1);
      words.push_back("--help");
    }
    try {
      app_.parse(static_cast<int>(words.size()), words.data());
    } catch (const CLI::ParseError& error) {
      return Fail(error);
    }
    if (action_ == nullptr) {
      std::fputs(app_.help().c_str(), stderr);
      return static_cast<int>(ExitCode::kUsage);
    }
    Session session(globals_);
    return static_cast<int>(action_(session));
  }

 private:
  CLI::App* AddCommand(CLI::App* parent, const std::string& name, const std::string& help,
                       Action action) {
    CLI::App* command = parent->add_subcommand(name, help);
    command->callback([this, action = std::move(action)] { action_ = action; });
    return command;
  }

  // Help, or what is wrong and with which command. What nobody knows comes first: of "--flie x"
  // that explains why --file is missing.
  int Fail(const CLI::ParseError& error) {
    const CLI::App* command = &app_;
    std::string name = app_.get_name();
    while (!command->get_subcommands().empty()) {
      command = command->get_subcommands().front();
      absl::StrAppend(&name, " ", command->get_name());
    }
    std::vector<std::string> strange = app_.remaining(true);
    std::erase(strange, "--");
    const bool asks_help = error.get_exit_code() == 0;
    std::string what = error.what();
    if (!strange.empty() && !absl::StartsWith(strange.front(), "-")) {
      const auto all = [](const CLI::App*) { return true; };
      std::vector<std::string> known;
      for (const CLI::App* one : command->get_subcommands(all)) known.push_back(one->get_name());
      if (known.empty() && asks_help) return app_.exit(error);
      what = absl::StrCat(known.empty() ? "unexpected argument \"" : "there is no command \"",
                          strange.front(), "\". ", DidYouMean(strange.front(), known));
    } else if (asks_help) {
      return app_.exit(error);
    } else if (!strange.empty()) {
      what = absl::StrCat("there is no option ", strange.front(), ". ",
                          DidYouMean(strange.front(), OptionsOf(*command)));
    }
    std::fprintf(stderr, "tollgatectl: %s\nSee: %s --help\n", what.c_str(), name.c_str());
    return static_cast<int>(ExitCode::kUsage);
  }

  // "--file" and so on, the global ones too.
  std::vector<std::string> OptionsOf(const CLI::App& command) const {
    std::vector<std::string> known;
    for (const CLI::App* app : {&command, static_cast<const CLI::App*>(&app_)}) {
      for (const CLI::Option* option : app->get_options()) {
        for (const std::string& name : option->get_lnames()) {
          if (app == &app_ || name != "help") known.push_back(absl::StrCat("--", name));
        }
      }
      if (app == &app_) break;
    }
    return known;
  }

  void SetFormat(const std::string& text) {
    const std::vector<std::string> names = {"table", "json", "yaml"};
    const auto it = std::find(names.begin(), names.end(), text);
    if (it == names.end()) {
      throw CLI::ValidationError(
          "-o", absl::StrCat("\"", text, "\" is not known; expected table, json or yaml"));
    }
    globals_.format = static_cast<OutputFormat>(it - names.begin());  // in the order of the enum
  }

  static Duration ReadDuration(const std::string& name, const std::string& text) {
    Duration read{};
    if (!ParseCliDuration(text, &read)) {
      throw CLI::ValidationError(name, absl::StrCat("\"", text,
                                                    "\" is no duration; expected one such as "
                                                    "30s, 10m, 12h or 90d"));
    }
    return read;
  }
  static Duration ReadPositiveDuration(const std::string& name, const std::string& text) {
    const Duration read = ReadDuration(name, text);
    if (read > Duration::zero()) return read;
    throw CLI::ValidationError(
        name, absl::StrCat("\"", text, "\"; expected a duration above zero, such as 30s"));
  }

  // Reads "30s", "10m", "90d": above zero.
  static CLI::Option* AddDuration(CLI::App* command, const std::string& name, Duration* out,
                                  const std::string& help) {
    return command
        ->add_option_function<std::string>(
            name, [name, out](const std::string& text) { *out = ReadPositiveDuration(name, text); },
            help)
        ->type_name("DURATION");
  }

  // CLI11 itself would take "-1" for the largest number there is, and "010" for eight.
  template <typename Number>
  static CLI::Option* AddNumber(CLI::App* command, const std::string& name, uint64_t least,
                                uint64_t most, Number* out, const std::string& help) {
    return command->add_option_function<std::string>(
        name,
        [name, least, most, out](const std::string& text) {
          uint64_t number = 0;
          if (!ParseCliNumber(text, &number) || number < least || number > most) {
            throw CLI::ValidationError(
                name, absl::StrCat("\"", text, "\"; expected a number from ", least,
                                   most == kNoMost ? " on" : absl::StrCat(" to ", most)));
          }
          *out = static_cast<Number>(number);
        },
        help);
  }
  template <typename Number>
  static CLI::Option* AddRelease(CLI::App* command, const std::string& name, uint64_t least,
                                 Number* out, const std::string& help) {
    return AddNumber(command, name, least, kNoMost, out,
                     absl::StrCat(help, "; see: tollgatectl releases"))
        ->type_name("RELEASE");
  }

  static void AddPaths(CLI::App* command, std::vector<std::string>* paths) {
    command->add_option("-f,--file", *paths, "YAML file, directory, or - for standard input")
        ->required()
        ->type_name("PATH");
  }

  void AddWait(CLI::App* command) {
    command
        ->add_option_function<std::string>(
            "--wait",
            [this](const std::string& text) {
              apply_.wait = text.empty() || text == "true" ? std::chrono::seconds(30)
                                                           : ReadPositiveDuration("--wait", text);
            },
            "Wait until every connected sidecar has answered (default 30s)")
        ->type_name("[=DURATION]")
        ->expected(0, 1);
  }

  void AddReleaseCommands() {
    CLI::App* apply = AddCommand(&app_, "apply", "Publish documents as one release",
                                 [this](Session& s) { return RunApply(s, apply_); });
    AddPaths(apply, &apply_.paths);
    apply->add_flag("--dry-run", apply_.dry_run, "Check and show what would change");
    CLI::Option* owner =
        apply->add_option("--owner", apply_.owner, "Whose documents --prune deletes");
    apply
        ->add_flag("--prune", apply_.prune,
                   "Delete the documents of --owner that are not in this set")
        ->needs(owner);
    AddWait(apply);
    apply->add_option("-m,--message", apply_.message, "Kept with the release");
    AddRelease(apply, "--base", 0, &apply_.base,
               "Publish only if this release is still the head; 0: if there is none yet");

    CLI::App* validate =
        AddCommand(&app_, "validate", "Check documents, change nothing",
                   [this](Session& s) { return RunValidate(s, apply_.paths, offline_); });
    AddPaths(validate, &apply_.paths);
    validate->add_flag("--offline", offline_, "Without a control plane: these documents alone");

    CLI::App* diff = AddCommand(&app_, "diff", "Show what applying documents would change",
                                [this](Session& s) { return RunDiff(s, apply_.paths); });
    AddPaths(diff, &apply_.paths);

    CLI::App* get = AddCommand(&app_, "get", "Show documents (-o yaml shows them whole)",
                               [this](Session& s) { return RunGet(s, kind_, name_, release_); });
    get->add_option("KIND", kind_,
                    "Service, Issuer, Plan, Consumer, Api or Listener; default: all");
    get->add_option("NAME", name_, "One document; default: all of the kind");
    AddRelease(get, "--release", 1, &release_, "Of this release; default: the head");

    CLI::App* remove =
        AddCommand(&app_, "delete", "Delete one document, as a release",
                   [this](Session& s) { return RunDelete(s, kind_, name_, apply_.dry_run); });
    remove->add_option("KIND", kind_, "Service, Issuer, Plan, Consumer, Api or Listener")
        ->required();
    remove->add_option("NAME", name_, "The document's name")->required();
    remove->add_flag("--dry-run", apply_.dry_run, "Check and show what would change");

    CLI::App* releases = AddCommand(&app_, "releases", "List releases, newest first",
                                    [this](Session& s) { return RunReleases(s, limit_); });
    AddNumber(releases, "-n,--limit", 1, kMaxReleases, &limit_, "How many of the newest")
        ->type_name("COUNT")
        ->default_str(absl::StrCat(limit_));

    CLI::App* rollback =
        AddCommand(&app_, "rollback",
                   "Publish an older release's documents again (API keys are not rolled back)",
                   [this](Session& s) { return RunRollback(s, release_, apply_.wait); });
    AddRelease(rollback, "RELEASE", 1, &release_, "Default: the one before the head");
    AddWait(rollback);
  }

  void AddFleetCommands() {
    CLI::App* proxies = AddCommand(&app_, "proxies", "Show which sidecar serves which release",
                                   [this](Session& s) { return RunProxies(s, name_); });
    proxies->add_option("NODE", name_, "One sidecar, in detail; default: all, a line each");
    CLI::App* explain =
        AddCommand(&app_, "explain",
                   "Ask a sidecar what it would do with a request; nothing is sent on or counted",
                   [this](Session& s) { return RunExplain(s, explain_); });
    explain->add_option("NODE", explain_.node, "A connected sidecar: see tollgatectl proxies")
        ->required();
    explain->add_option("METHOD", explain_.method, "GET, POST ...")->required();
    explain
        ->add_option("URL", explain_.url,
                     "http://HOST/PATH, or /PATH with --host; the query does not matter")
        ->required();
    explain->add_option("--host", explain_.host, "The Host field, when URL is a path");
    explain->add_option("-H,--header", explain_.headers, "NAME: VALUE; may be repeated")
        ->take_all()
        ->allow_extra_args(false);  // what follows the value is NODE, METHOD or URL
    explain->add_option("--listener", explain_.listener, "Default: each listener of the sidecar");
    CLI::App* limits = AddCommand(
        &app_, "limits", "Show which keys are near their limits or over them, the fullest first",
        [this](Session& s) { return RunLimits(s, service_, top_); });
    limits->add_option("--service", service_, "Only the sidecars beside this Service");
    AddNumber(limits, "--top", 1, kMaxTop, &top_, "How many keys")->type_name("COUNT");
    AddCommand(&app_, "version", "Show the versions of this program and the control plane",
               RunVersion);
  }

  void AddKeyCommands() {
    CLI::App* key = app_.add_subcommand("key", "Issue, rotate, revoke and list API keys");
    key->require_subcommand(1);
    const auto add_names = [this](CLI::App* command, bool required) {
      command->add_option("CONSUMER", consumer_, "Name of the Consumer")->required(required);
      command->add_option("NAME", name_, "One of the consumer's api_keys")->required(required);
    };
    CLI::App* issue = AddCommand(key, "issue", "Make a key and print it, once", [this](Session& s) {
      return RunKeyIssue(s, consumer_, name_, expires_);
    });
    add_names(issue, true);
    AddDuration(issue, "--expires", &expires_, "When it ends, e.g. 90d; default: never");
    CLI::App* rotate = AddCommand(
        key, "rotate", "Make a second key; the first one ends a while later",
        [this](Session& s) { return RunKeyRotate(s, consumer_, name_, expires_, old_valid_for_); });
    add_names(rotate, true);
    AddDuration(rotate, "--expires", &expires_, "When the new one ends; default: never");
    AddDuration(rotate, "--old-valid-for", &old_valid_for_, "How long the old one stays")
        ->default_str("1d");
    CLI::App* revoke =
        AddCommand(key, "revoke", "Revoke all keys of a consumer and name, or one --id, for ever",
                   [this](Session& s) {
                     if (id_.empty() == name_.empty()) {
                       s.Note("tollgatectl: key revoke: expected CONSUMER and NAME, or --id ID\n");
                       return ExitCode::kUsage;
                     }
                     return RunKeyRevoke(s, consumer_, name_, id_);
                   });
    add_names(revoke, false);
    revoke->add_option("--id", id_, "One key, by its id");
    CLI::App* list = AddCommand(key, "list", "List keys, without their secrets",
                                [this](Session& s) { return RunKeyList(s, consumer_); });
    list->add_option("CONSUMER", consumer_, "Default: all");
  }

  void AddDenyCommands() {
    CLI::App* deny = app_.add_subcommand(
        "deny", "Refuse tokens of an issuer that verify, at once, until lifted");
    deny->require_subcommand(1);
    CLI::App* add = AddCommand(deny, "add", "Deny one token, or all of a subject or client",
                               [this](Session& s) { return RunDenyAdd(s, deny_); });
    add->add_option("--issuer", deny_.issuer, "Name of the Issuer")->required();
    add->add_option("--token-id", deny_.token_id, "The jti claim: one token");
    add->add_option("--subject", deny_.subject, "The sub claim: all its tokens, also later ones");
    add->add_option("--client", deny_.client, "The client_id claim: all its tokens");
    AddDuration(add, "--for", &deny_.lasts, "How long, e.g. 12h; default: until it is removed");
    add->add_option("--reason", deny_.reason, "Kept with it");
    CLI::App* remove = AddCommand(deny, "remove", "Lift a denial, by its id",
                                  [this](Session& s) { return RunDenyRemove(s, id_); });
    remove->add_option("ID", id_)->required();
    CLI::App* list = AddCommand(deny, "list", "List what is denied, and what was until lately",
                                [this](Session& s) { return RunDenyList(s, deny_.issuer); });
    list->add_option("--issuer", deny_.issuer, "Default: all");
  }

  void AddOfflineCommands() {
    CLI::App* translate = AddCommand(
        &app_, "translate", "Print what one sidecar would receive, for tollgate-proxy --policy",
        [this](Session& s) { return RunTranslate(s, apply_.paths, consumer_, name_, address_); });
    AddPaths(translate, &apply_.paths);
    translate->add_option("--service", consumer_, "The sidecar's service")->required();
    translate->add_option("--instance", name_, "The sidecar's node id")->required();
    translate->add_option("--address", address_, "Where it listens, if that tells it apart");

    CLI::App* token = AddCommand(&app_, "token", "Sign a token, for demos and tests",
                                 [this](Session& s) { return RunToken(s, token_); });
    token->add_option("--key-file", token_.key_file, "A private JWK, or a set of them")->required();
    token->add_option("--alg", token_.alg, "Default: the key's own");
    token->add_option("--kid", token_.kid, "Which key of a set");
    token->add_option("--iss", token_.issuer, "Issuer");
    token->add_option("--aud", token_.audiences, "Audience; may be repeated");
    token->add_option("--sub", token_.subject, "Subject; rfc9068: the client_id too");
    token->add_option("--scope", token_.scope, "Permissions, separated by spaces");
    token->add_option("--claim", token_.claims, "NAME=VALUE; VALUE is JSON, or else a text")
        ->take_all();
    token
        ->add_option_function<std::string>(
            "--ttl", [this](const std::string& text) { token_.ttl = ReadDuration("--ttl", text); },
            "Valid for; --ttl=-1m makes an expired one")
        ->type_name("DURATION")
        ->default_str("10m");
    token->add_option("--profile", token_.profile, "What the token's header and claims are like")
        ->check(CLI::IsMember({"jwt", "rfc9068"}))
        ->capture_default_str();

    CLI::App* keygen = AddCommand(&app_, "keygen", "Make a signing key, for demos and tests",
                                  [this](Session& s) { return RunKeygen(s, keygen_); });
    keygen->add_option("--alg", keygen_.alg, "ES256, ES384, RS256, PS256, EdDSA, HS256 ...")
        ->required();
    keygen->add_option("--kid", keygen_.kid, "Name of the key")->required();
    keygen->add_option("--private", keygen_.private_file, "File for the private JWK (mode 0600)")
        ->required();
    keygen->add_option("--public", keygen_.public_file, "File for the JWK set of the Issuer")
        ->required();
  }

  static constexpr uint64_t kNoMost = std::numeric_limits<uint64_t>::max();
  static constexpr uint64_t kMaxReleases = 1000;  // that the control plane lists at once
  static constexpr uint64_t kMaxTop = 1000;       // likewise

  CLI::App app_{"tollgatectl: the operator's tool of Tollgate", "tollgatectl"};
  Action action_;
  GlobalFlags globals_;
  ApplyFlags apply_;
  ExplainFlags explain_;
  DenyFlags deny_;
  TokenFlags token_;
  KeygenFlags keygen_;
  bool offline_ = false;
  std::string kind_, name_, consumer_, id_, address_, service_;
  uint32_t top_ = 20;
  uint64_t release_ = 0;
  uint32_t limit_ = 20;
  Duration expires_{};
  Duration old_valid_for_ = std::chrono::hours(24);
};

}  // namespace
}  // namespace tollgate::control

int main(int argc, char** argv) { return tollgate::control::CommandLine().Run(argc, argv); }
