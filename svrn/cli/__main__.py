from svrn.cli import main

main()
