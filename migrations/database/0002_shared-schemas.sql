-- Reference rows, which every tenant may read and only database migrations change; and a place for extensions.
create schema reference;
revoke all on schema reference from public;
grant usage on schema reference to {{app}};

create schema extensions;
revoke all on schema extensions from public;
grant usage on schema extensions to {{app}};
