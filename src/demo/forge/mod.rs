//! A forge on loopback: GitHub's REST and GraphQL faces, and git over smart HTTP.
