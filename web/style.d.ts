// Style sheets are taken in by the bundler; to the compiler they are nothing.
declare module "*.css";
