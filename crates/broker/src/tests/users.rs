//! Users: who may log in, what their going does, what a crash leaves of them.

use super::script::check;
use expect_test::expect;

#[test]
fn a_new_server_knows_the_guest_who_comes_from_this_machine_only() {
    check(
        "login 1 guest guest
         login 2 guest wrong
         login 3 guest guest from-afar
         login 4 guest -
         login 5 nobody guest
         operator authenticate guest guest
         operator authenticate guest guest from-afar",
        expect![[r#"
            login 1 guest guest
                1 may go on
            login 2 guest wrong
                2 login refused: wrong password
            login 3 guest guest from-afar
                3 login refused: the user may only connect from this machine
            login 4 guest -
                4 login refused: wrong password
            login 5 nobody guest
                5 login refused: unknown user
            operator authenticate guest guest
                operator: it is guest ["administrator"]
            operator authenticate guest guest from-afar
                operator: refused: the user may only connect from this machine
        "#]],
    );
}

#[test]
fn a_user_is_made_changed_and_removed_and_a_crash_keeps_what_landed() {
    check(
        "operator user ada secret monitoring
         landed
         login 1 ada secret from-afar
         operator user ada changed
         login 1 ada secret
         login 1 ada changed
         landed
         crash
         login 1 ada changed
         operator no-user ada
         operator no-user bob
         landed
         login 1 ada changed
         crash
         login 1 ada changed
         operator export",
        expect![[r#"
            operator user ada secret monitoring
                land #2 user ada ["monitoring"]
            landed
                operator: made
            login 1 ada secret from-afar
                1 may go on
            operator user ada changed
                land #3 user ada []
            login 1 ada secret
                1 login refused: wrong password
            login 1 ada changed
                1 may go on
            landed
                operator: done
            crash
            login 1 ada changed
                1 may go on
            operator no-user ada
                land #4 no user ada
            operator no-user bob
            landed
                operator: done
                operator: not found: no user 'bob'
            login 1 ada changed
                1 login refused: unknown user
            crash
            login 1 ada changed
                1 login refused: unknown user
            operator export
                operator: all definitions
                    vhost /
                    user guest
                    permission of guest in /
        "#]],
    );
}

#[test]
fn a_slow_password_is_looked_at_by_the_shell_and_counts_while_it_is_the_same() {
    check(
        "operator slow-user ada
         landed
         login 1 ada secret
         operator authenticate ada secret
         login 1 ada (checked)
         operator user ada changed
         landed
         login 1 ada (checked)
         login 1 ada (vouched)
         login 2 nobody (vouched)
         login 3 guest (vouched) from-afar",
        expect![[r#"
            operator slow-user ada
                land #2 user ada []
            landed
                operator: made
            login 1 ada secret
                1 look at the password beside the loop
            operator authenticate ada secret
                operator: look at the password beside the loop
            login 1 ada (checked)
                1 may go on
            operator user ada changed
                land #3 user ada []
            landed
                operator: done
            login 1 ada (checked)
                1 login refused: wrong password
            login 1 ada (vouched)
                1 may go on
            login 2 nobody (vouched)
                2 login refused: unknown user
            login 3 guest (vouched) from-afar
                3 login refused: the user may only connect from this machine
        "#]],
    );
}

#[test]
fn who_is_made_anew_while_a_client_logs_in_is_somebody_else() {
    check(
        "operator user ada secret
         operator permission ada / .* .* .*
         landed
         login 1 ada secret
         login 2 ada secret
         login 3 ada (vouched)
         connect 2 ada /
         operator no-user ada
         operator user ada other
         operator permission ada / .* .* .*
         landed
         connect 1 ada /
         login 1 ada other
         connect 1 ada /
         connect 3 ada /",
        expect![[r#"
            operator user ada secret
                land #2 user ada []
            operator permission ada / .* .* .*
                land #3 permission of ada in /: .* .* .*
            landed
                operator: made
                operator: made
            login 1 ada secret
                1 may go on
            login 2 ada secret
                2 may go on
            login 3 ada (vouched)
                3 may go on
            connect 2 ada /
                2.0 connection.open-ok
            operator no-user ada
                land #4 no user ada
                2 connection.close 320 CONNECTION_FORCED - user 'ada' is deleted
            operator user ada other
                land #5 user ada []
            operator permission ada / .* .* .*
                land #6 permission of ada in /: .* .* .*
            landed
                operator: done
                operator: made
                operator: made
            connect 1 ada /
                1 connection.close 530 NOT_ALLOWED - access to vhost '/' refused for user 'ada'
            login 1 ada other
                1 may go on
            connect 1 ada /
                1.0 connection.open-ok
            connect 3 ada /
                3.0 connection.open-ok
        "#]],
    );
}

#[test]
fn a_crash_before_the_landing_keeps_a_user_that_was_to_go() {
    check(
        "operator user ada secret
         landed
         operator no-user ada
         crash
         login 1 ada secret
         checkpoint
         landed
         crash
         login 1 ada secret",
        expect![[r#"
            operator user ada secret
                land #2 user ada []
            landed
                operator: made
            operator no-user ada
                land #3 no user ada
            crash
            login 1 ada secret
                1 may go on
            checkpoint
                land #3 user ada []
                land #4 user guest ["administrator"]
                land #5 permission of guest in /: .* .* .*
                land #6 vhost /
                land #7 checkpoint from #3, next queue 1
            landed
            crash
            login 1 ada secret
                1 may go on
        "#]],
    );
}

#[test]
fn a_user_who_is_removed_loses_connections_and_permissions() {
    check(
        "operator user ada secret
         operator permission ada / .* .* .*
         landed
         connect 1 ada /
         connect 2
         1.1 open
         1.1 declare mine exclusive
         landed
         operator no-user ada
         landed
         operator user ada secret
         landed
         connect 3 ada /
         crash
         connect 4 ada /",
        expect![[r#"
            operator user ada secret
                land #2 user ada []
            operator permission ada / .* .* .*
                land #3 permission of ada in /: .* .* .*
            landed
                operator: made
                operator: made
            connect 1 ada /
                1.0 connection.open-ok
            connect 2
                2.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare mine exclusive
                land #4 queue 1 mine
            landed
                1.1 queue.declare-ok mine 0 0
            operator no-user ada
                land #5 no user ada
                land #6 no queue 1
                1 connection.close 320 CONNECTION_FORCED - user 'ada' is deleted
            landed
                operator: done
            operator user ada secret
                land #7 user ada []
            landed
                operator: made
            connect 3 ada /
                3 connection.close 530 NOT_ALLOWED - access to vhost '/' refused for user 'ada'
            crash
            connect 4 ada /
                4 connection.close 530 NOT_ALLOWED - access to vhost '/' refused for user 'ada'
        "#]],
    );
}

#[test]
fn a_user_has_as_many_connections_and_channels_as_allowed() {
    check(
        "operator user ada secret connections=1 channels=2
         operator permission ada / .* .* .*
         landed
         connect 1 ada /
         connect 2 ada /
         1.1 open
         1.2 open
         1.2 close
         1.2 open
         1.3 open
         connect 3 ada /
         close 3
         connect 4 ada /",
        expect![[r#"
            operator user ada secret connections=1 channels=2
                land #2 user ada []
            operator permission ada / .* .* .*
                land #3 permission of ada in /: .* .* .*
            landed
                operator: made
                operator: made
            connect 1 ada /
                1.0 connection.open-ok
            connect 2 ada /
                2 connection.close 530 NOT_ALLOWED - connection refused for user 'ada': user connection limit (1) is reached
            1.1 open
                1.1 channel.open-ok
            1.2 open
                1.2 channel.open-ok
            1.2 close
                1.2 channel.close-ok
            1.2 open
                1.2 channel.open-ok
            1.3 open
                1 connection.close 530 NOT_ALLOWED - number of channels opened for user 'ada' has reached the maximum allowed user limit of (2)
            connect 3 ada /
                3.0 connection.open-ok
            close 3
            connect 4 ada /
                4.0 connection.open-ok
        "#]],
    );
}

#[test]
fn an_impersonator_sends_in_the_name_of_others() {
    check(
        "operator user ada secret impersonator
         operator user bob secret
         operator permission ada / .* .* .*
         operator permission bob / .* .* .*
         landed
         connect 1 ada /
         1.1 open
         1.1 declare q
         landed
         1.1 publish - q m user=bob
         landed
         connect 2 bob /
         2.1 open
         2.1 publish - q m user=ada",
        expect![[r#"
            operator user ada secret impersonator
                land #2 user ada ["impersonator"]
            operator user bob secret
                land #3 user bob []
            operator permission ada / .* .* .*
                land #4 permission of ada in /: .* .* .*
            operator permission bob / .* .* .*
                land #5 permission of bob in /: .* .* .*
            landed
                operator: made
                operator: made
                operator: made
                operator: made
            connect 1 ada /
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #6 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q m user=bob
                land #7 message m for [1]
            landed
            connect 2 bob /
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 publish - q m user=ada
                2.1 channel.close 406 PRECONDITION_FAILED - user_id property set to 'ada' but authenticated user was 'bob' (60, 40)
        "#]],
    );
}
